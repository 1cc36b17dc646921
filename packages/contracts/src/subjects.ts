/**
 * Subjects: the form every surface has on the wire, derived from its name and version alone. The manifest repeats
 * the subject so that it can be read without this code, and parsing checks that the two agree.
 */

/** What callers may ask about operations, each on a subject of its own so that NATS holds them apart. */
export const OPERATION_ACTIONS = ["start", "run", "get", "wait", "watch", "cancel", "signal"] as const;
export type OperationAction = (typeof OPERATION_ACTIONS)[number];

/** `rpc.v1.Orders.Get` */
export function rpcSubject(name: string, version: string): string {
  return `rpc.${version}.${name}`;
}

/** `operations.v1.Billing.Refund` */
export function operationSubject(name: string, version: string): string {
  return `operations.${version}.${name}`;
}

/** `operations.v1.Billing.Refund.control.run`, given the operation's own subject: starts it and answers with its end. */
export function operationRunSubject(subject: string): string {
  return `${subject}.control.run`;
}

/**
 * `operations.v1.Billing.Refund.control.watch.billing-eu`: asks one deployment, for each has operations of its own. `*` for
 * the deployment makes the wildcard of a permission.
 */
export function operationControlSubject(subject: string, action: OperationAction, service: string): string {
  return `${subject}.control.${action}.${service}`;
}

/** `feeds.v1.Orders.Live` */
export function feedSubject(name: string, version: string): string {
  return `feeds.${version}.${name}`;
}

/** The exact subject of one open stream on one replica; `*` for a token makes the wildcard of a permission. */
export function streamControlSubject(subject: string, service: string, replica: string, stream: string): string {
  return `${subject}.control.stream.${service}.${replica}.${stream}`;
}

/** `events.v1.Orders.Placed.{/status}`: the event's subject with a token for each parameter. */
export function eventSubjectTemplate(name: string, version: string, params: readonly string[] = []): string {
  return [`events.${version}.${name}`, ...params.map((pointer) => `{${pointer}}`)].join(".");
}

/** `events.v1.Orders.Placed.*`: what matches every message of a template. */
export function eventWildcard(template: string): string {
  return template.replaceAll(/\{[^{}]*\}/g, "*");
}

/** `trellis.dead.<deployment>.<group>.<sequence>`: one event that a group gave up, by its place in the event stream. */
export function deadEventSubject(deployment: string, group: string, sequence: string): string {
  return `trellis.dead.${deployment}.${group}.${sequence}`;
}

/**
 * `<deployment>_<group>`: stands in place of `events` in the subject of an event that this group alone is to handle again.
 * A deployment's name holds no `_`, so no two groups meet, and no group is called `events`.
 */
export function replayToken(deployment: string, group: string): string {
  return `${deployment}_${group}`;
}

/** `events.replay.<deployment>_<group>.<rest>`: where an event is sent to be stored under its `replayToken`. */
export function replaySubject(deployment: string, group: string, subject: string): string {
  return `${REPLAY_PREFIX}${replayToken(deployment, group)}.${subject.slice(EVENT_PREFIX.length)}`;
}

/** Turns `replaySubject` into the form it is stored under; every other subject stays as it is. */
export const REPLAY_TRANSFORM = { src: "events.replay.*.>", dest: "$1.>" } as const;

/**
 * `*.v1.Orders.Placed.*`: an event and whatever replays there are of it. One filter for both: with two, JetStream looks
 * through all subjects it has for each event it delivers.
 */
export function withReplays(wildcard: string): string {
  return `*.${wildcard.slice(EVENT_PREFIX.length)}`;
}

/** What a stored event is: its own subject, and whom it was sent to again. */
export interface StoredEventSubject {
  readonly subject: string;
  /** The `replayToken` of the one group it is for; `undefined` for all of them. */
  readonly replayedTo: string | undefined;
}

/** Reads a subject an event is stored under. */
export function readStoredSubject(stored: string): StoredEventSubject {
  if (stored.startsWith(EVENT_PREFIX)) return { subject: stored, replayedTo: undefined };
  const dot = stored.indexOf(".");
  return { subject: `${EVENT_PREFIX}${stored.slice(dot + 1)}`, replayedTo: stored.slice(0, dot) };
}

const EVENT_PREFIX = "events.";
const REPLAY_PREFIX = "events.replay.";

/** `transfer.v1.upload.<service>.<id>` */
export function transferSubject(direction: "upload" | "download", service: string, id: string): string {
  return `transfer.v1.${direction}.${service}.${id}`;
}

/** `transfer.v1.control.<service>.<replica>.<id>` */
export function transferControlSubject(service: string, replica: string, id: string): string {
  return `transfer.v1.control.${service}.${replica}.${id}`;
}

/** `trellis.jobs.<service>.<queue>.<jobId>.<event>` */
export function jobSubject(service: string, queue: string, jobId: string, event: string): string {
  return `trellis.jobs.${service}.${queue}.${jobId}.${event}`;
}

/** `trellis.jobs.<service>.<queue>.mark.<kind>.<name>`: of a mark only the newest value is kept. */
export function jobMarkSubject(service: string, queue: string, kind: string, name: string): string {
  return `trellis.jobs.${service}.${queue}.mark.${kind}.${name}`;
}

/**
 * The name of an operation as one token: surface names hold no `-`, so no two can meet.
 */
export function operationToken(name: string): string {
  return name.replaceAll(".", "-");
}

/**
 * Where the operations of a deployment are kept, `trellis.ops.<service>.<part>.<operation>.<id>`:
 * - `journal`: what has become of one operation, record by record;
 * - `inbox`: signals and the wish to cancel, for whoever runs it;
 * - `work`: that somebody should run it;
 * - `wake`: when a `work` is to be made for one that sleeps.
 */
export function operationRecordSubject(
  service: string,
  part: "journal" | "inbox" | "work" | "wake",
  operation: string,
  id: string,
): string {
  return `trellis.ops.${service}.${part}.${operation}.${id}`;
}

/** `trellis.ops.<service>.contract.<digest>`: what operations were under a contract that some were started by. */
export function operationContractSubject(service: string, digest: string): string {
  return `trellis.ops.${service}.contract.${digest}`;
}

/** `kvr.<stream>.<operation>.<id>`: the journal as it is stored, to listen to. */
export function operationChangesSubject(stream: string, operation: string, id: string): string {
  return `kvr.${stream}.${operation}.${id}`;
}

/** `trellis.work.<service>.<queue>`, with the priority behind it where it is not the normal one. */
export function workSubject(service: string, queue: string, priority?: string): string {
  return `trellis.work.${service}.${queue}${priority === undefined ? "" : `.${priority}`}`;
}

/** Whether some subject matches both patterns (`*` is one token, `>` one or more at the end). */
export function subjectsOverlap(a: string, b: string): boolean {
  const left = a.split(".");
  const right = b.split(".");
  for (let at = 0; ; at += 1) {
    const l = left[at];
    const r = right[at];
    if (l === undefined || r === undefined) return l === r;
    if (l === ">" || r === ">") return true;
    if (l !== r && l !== "*" && r !== "*") return false;
  }
}

/** `subjectCovers` for many subjects without wildcards: a pattern that ends in its wildcards is taken apart once. */
export function subjectMatcher(pattern: string): (subject: string) => boolean {
  const tokens = pattern.split(".");
  const first = tokens.findIndex((token) => token === "*" || token === ">");
  if (first < 0) return (subject) => subject === pattern;
  if (first === 0 || tokens.slice(first).some((token) => token !== "*"))
    return (subject) => subjectCovers(pattern, subject);
  const start = `${tokens.slice(0, first).join(".")}.`;
  const dots = tokens.length - first - 1;
  return (subject) => {
    if (!subject.startsWith(start)) return false;
    let found = 0;
    for (let at = subject.indexOf(".", start.length); at >= 0; at = subject.indexOf(".", at + 1)) found += 1;
    return found === dots;
  };
}

/** Whether everything `inner` matches, `outer` matches too. */
export function subjectCovers(outer: string, inner: string): boolean {
  const wide = outer.split(".");
  const narrow = inner.split(".");
  for (let at = 0; ; at += 1) {
    const w = wide[at];
    const n = narrow[at];
    if (w === ">") return n !== undefined;
    if (w === undefined || n === undefined) return w === n;
    if (n === ">" || (w !== "*" && w !== n)) return false;
  }
}
