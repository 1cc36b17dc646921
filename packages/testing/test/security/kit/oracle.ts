import type { Manifest, UseSelection } from "@trellis/contracts";
import { auth, core, health } from "@trellis/sdk";

/**
 * What a participant may do, decided the other way round from the platform: given one exact subject, who owns it, and did
 * this participant ask for it and hold what it takes? Written from the protocol (§3–8) and from nothing the platform runs.
 */
export interface Participant {
  readonly name: string;
  readonly manifest: Manifest;
  readonly prefix: string;
  /** Services hold what their accepted contract needs, so for them everything. */
  readonly holds: (capability: string) => boolean;
}

/** The contracts in force, by id, with the deployment of each. */
export interface World {
  readonly contracts: ReadonlyMap<string, { readonly manifest: Manifest; readonly deployment: string }>;
}

const PLATFORM: readonly Manifest[] = [auth.manifest, core.manifest, health.manifest];

export function worldOf(services: readonly { readonly name: string; readonly manifest: Manifest }[]): World {
  return {
    contracts: new Map([
      ...PLATFORM.map((manifest) => [manifest.id, { manifest, deployment: "" }] as const),
      ...services.map(({ name, manifest }) => [manifest.id, { manifest, deployment: name }] as const),
    ]),
  };
}

/** A use that counts: its contract is here and has everything selected. */
function uses(
  participant: Participant,
  world: World,
): readonly { readonly selection: UseSelection; readonly target: Manifest; readonly deployment: string }[] {
  const { required = {}, optional = {} } = participant.manifest.uses ?? {};
  return Object.values({ ...optional, ...required }).flatMap((selection) => {
    const found = world.contracts.get(selection.contract);
    return found ? [{ selection, target: found.manifest, deployment: found.deployment }] : [];
  });
}

export function mayPublish(who: Participant, subject: string, world: World): boolean {
  const tokens = subject.split(".");
  // In a publish `*` and `>` are tokens like any other: whoever may publish below a wildcard may publish them.
  const [first = "", second, ...rest] = tokens;
  const service = who.manifest.kind === "service";
  const owns = (bucket: string | undefined, kind: "kv" | "store"): boolean =>
    service && Object.keys(who.manifest.resources?.[kind] ?? {}).some((alias) => bucket === `${who.name}_${alias}`);
  const ownsStream = (stream = ""): boolean =>
    (stream.startsWith("KV_") && owns(stream.slice(3), "kv")) ||
    (stream.startsWith("OBJ_") && owns(stream.slice(4), "store"));
  const runs = service && Object.keys(who.manifest.operations ?? {}).length > 0;
  /** `trellis.ops.<deployment>.<part>.<operation>.<id>`, and what its operations were under a contract. */
  const ownOperation = (parts: readonly string[]): boolean =>
    runs &&
    parts[0] === "trellis" &&
    parts[1] === "ops" &&
    parts[2] === who.name &&
    (parts[3] === "contract"
      ? parts.length === 5
      : ["journal", "inbox", "work", "wake"].includes(parts[3] ?? "") && parts.length === 6);
  const ownsConsumer = (stream: string | undefined, consumer: string | undefined): boolean =>
    service &&
    ((runs && stream === `OPS_WORK_${who.name}` && consumer === who.name) ||
      (stream === "JOBS_WORK" &&
        Object.keys(who.manifest.jobs ?? {}).some((queue) => consumer === `${who.name}_${queue}`)) ||
      (stream === "EVENTS" &&
        Object.keys(who.manifest.eventConsumers ?? {}).some((group) => consumer === `${who.name}_${group}`)));
  const ownJob = (parts: readonly string[]): boolean =>
    service &&
    parts.length === 6 &&
    parts[0] === "trellis" &&
    parts[1] === "jobs" &&
    parts[2] === who.name &&
    Object.hasOwn(who.manifest.jobs ?? {}, parts[3] ?? "");
  switch (first) {
    case "rpc":
      return uses(who, world).some(({ selection, target }) =>
        (selection.rpc?.call ?? []).some(
          (name) => subject === `rpc.v1.${name}` && holdsAll(who, target.rpc?.[name]?.capabilities?.call),
        ),
      );
    case "operations":
      return uses(who, world).some(({ selection, target }) =>
        (selection.operations?.call ?? []).some((name) => mayOperate(who, target, name, subject)),
      );
    case "feeds":
      return uses(who, world).some(({ selection, target }) =>
        (selection.feeds?.subscribe ?? []).some(
          (name) =>
            (subject === `feeds.v1.${name}` || isStreamControl(subject, `feeds.v1.${name}`)) &&
            holdsAll(who, target.feeds?.[name]?.capabilities?.subscribe),
        ),
      );
    case "events":
      return (
        (service && Object.keys(who.manifest.events ?? {}).some((name) => isEvent(subject, name, who.manifest))) ||
        uses(who, world).some(({ selection, target }) =>
          (selection.events?.publish ?? []).some(
            (name) => isEvent(subject, name, target) && holdsAll(who, target.events?.[name]?.capabilities?.publish),
          ),
        )
      );
    case "transfer":
      return tokens.length > 3 && mayTransfer(who, tokens, world);
    case "trellis":
      if (second === "leader")
        return (
          tokens.length === 3 &&
          (ownsStream(tokens[2]) || (runs && [`OPS_${who.name}`, `OPS_WORK_${who.name}`].includes(tokens[2] ?? "")))
        );
      if (second === "ops") return ownOperation(tokens);
      if (second === "dead")
        return (
          service &&
          tokens.length === 5 &&
          tokens[2] === who.name &&
          Object.hasOwn(who.manifest.eventConsumers ?? {}, tokens[3] ?? "")
        );
      return ownJob(tokens);
    case "$KV":
      return tokens.length >= 3 && owns(second, "kv");
    case "$O":
      return tokens.length >= 4 && owns(second, "store") && (tokens[2] === "C" || tokens[2] === "M");
    case "_INBOX":
      return service && ((tokens[2] === "r" && tokens.length === 5) || (tokens[2] === "s" && tokens.length >= 4));
    case "$JS": {
      if (second === "ACK") return ackOf(rest, ownsConsumer);
      const [verb, what, ...tail] = rest;
      if (verb === "CONSUMER" && what === "MSG" && tail[0] === "NEXT")
        return tail.length === 3 && ownsConsumer(tail[1], tail[2]);
      if (verb !== "DIRECT" || what !== "GET") return false;
      const [stream, ...stored] = tail;
      if (stream === "JOBS") return ownJob(stored);
      if (runs && stream === `OPS_${who.name}`)
        return (
          stored.length === 0 || (stored.length >= 4 && stored.slice(0, 3).join(".") === `trellis.ops.${who.name}`)
        );
      if (!ownsStream(stream)) return false;
      const bucket = stream?.startsWith("KV_") ? ["$KV", stream.slice(3)] : ["$O", stream?.slice(4)];
      return stored.length === 0 || (stored.length >= 3 && stored[0] === bucket[0] && stored[1] === bucket[1]);
    }
    default:
      return false;
  }
}

/** `<stream>.<consumer>.…`, or `_.<account>.<stream>.<consumer>.…`. */
function ackOf(
  rest: readonly string[],
  ownsConsumer: (stream: string | undefined, consumer: string | undefined) => boolean,
): boolean {
  return (
    (rest.length > 2 && ownsConsumer(rest[0], rest[1])) ||
    (rest[0] === "_" && rest.length > 4 && ownsConsumer(rest[2], rest[3]))
  );
}

function mayOperate(who: Participant, target: Manifest, name: string, subject: string): boolean {
  const operation = target.operations?.[name];
  const base = `operations.v1.${name}`;
  if (!operation || !(subject === base || subject.startsWith(`${base}.control.`))) return false;
  const rules = operation.capabilities ?? {};
  const call = holdsAll(who, rules.call);
  // Omitted `observe` is `call`.
  const observe = rules.observe === undefined ? call : holdsAll(who, rules.observe);
  if (subject === base) return call;
  if (subject === `${base}.control.run`) return call && observe;
  if (isStreamControl(subject, base)) return observe;
  // Whichever deployment: who has the operation is known from its id.
  const [action, deployment, ...more] = subject.slice(`${base}.control.`.length).split(".");
  if (deployment === undefined || more.length > 0) return false;
  switch (action) {
    case "start":
      return call;
    case "run":
      return call && observe;
    case "get":
    case "wait":
    case "watch":
      return observe;
    case "cancel":
      return operation.cancel !== false && rules.cancel !== undefined && holdsAll(who, rules.cancel);
    case "signal":
      return (
        operation.signals !== undefined &&
        (rules.control === undefined ? call || observe : holdsAll(who, rules.control))
      );
    default:
      return false;
  }
}

function mayTransfer(who: Participant, [, version, kind, service, ...ids]: readonly string[], world: World): boolean {
  if (version !== "v1" || ids.length !== (kind === "control" ? 2 : 1)) return false;
  return uses(who, world).some(({ selection, target, deployment }) => {
    if (deployment === "" || deployment !== service) return false;
    const downloads = (selection.rpc?.call ?? []).some(
      (name) => target.rpc?.[name]?.transfer !== undefined && holdsAll(who, target.rpc[name]?.capabilities?.call),
    );
    const uploads = (selection.operations?.call ?? []).some(
      (name) =>
        target.operations?.[name]?.transfer !== undefined && holdsAll(who, target.operations[name]?.capabilities?.call),
    );
    return kind === "control" ? downloads || uploads : kind === "download" ? downloads : kind === "upload" && uploads;
  });
}

/** `queue`: the group it subscribes with; owned requests only within the group that is the contract's id. */
export function maySubscribe(who: Participant, asked: string, queue: string | undefined, world: World): boolean {
  const { manifest, name } = who;
  if (asked.startsWith(`${who.prefix}.`)) return true;
  // nats-server 2.14 lets `a.>` pass for `a.*`; collisions of contracts are judged as if it were written so.
  const subject = asked.replace(/\.>$/, ".*");
  const tokens = subject.split(".");
  if (tokens[0] === "events") {
    return uses(who, world).some(({ selection, target }) =>
      (selection.events?.subscribe ?? []).some(
        (event) => isEvent(subject, event, target) && holdsAll(who, target.events?.[event]?.capabilities?.subscribe),
      ),
    );
  }
  if (manifest.kind !== "service") return false;
  const grouped = queue === manifest.id;
  if (Object.keys(manifest.rpc ?? {}).some((rpc) => subject === `rpc.v1.${rpc}`)) return grouped;
  if (Object.keys(manifest.feeds ?? {}).some((feed) => subject === `feeds.v1.${feed}`)) return grouped;
  for (const [operation, { capabilities, cancel, signals }] of Object.entries(manifest.operations ?? {})) {
    const base = `operations.v1.${operation}`;
    const actions = [
      "start",
      "run",
      "get",
      "wait",
      "watch",
      ...(capabilities?.cancel !== undefined && cancel !== false ? ["cancel"] : []),
      ...(signals ? ["signal"] : []),
    ];
    if (subject === base || subject === `${base}.control.run`) return grouped;
    if (actions.some((action) => subject === `${base}.control.${action}.${name}`)) return grouped;
    if (isStreamControl(subject, base, name)) return true;
  }
  if (Object.keys(manifest.feeds ?? {}).some((feed) => isStreamControl(subject, `feeds.v1.${feed}`, name))) return true;
  if (subject === "trellis.auth.v1.changes") return true;
  if (tokens[0] === "$SRV" && ["PING", "INFO", "STATS"].includes(tokens[1] ?? ""))
    return tokens.length === 2 || (tokens[2] === name && (tokens.length === 3 || tokens.length === 4));
  const runs = Object.keys(manifest.operations ?? {}).length > 0;
  if (tokens[0] === "trellis" && tokens[1] === "ops")
    return runs && tokens.length === 6 && tokens[2] === name && tokens[3] === "inbox";
  if (tokens[0] === "kvr" && tokens[1] === `OPS_${name}`) return runs && tokens.length === 4;
  if (tokens[0] === "kvr")
    return (
      tokens.length >= 3 && Object.keys(manifest.resources?.kv ?? {}).some((alias) => tokens[1] === `${name}_${alias}`)
    );
  if (tokens[0] === "trellis" && tokens[1] === "jobs")
    return tokens.length === 6 && tokens[2] === name && Object.hasOwn(manifest.jobs ?? {}, tokens[3] ?? "");
  if (tokens[0] === "transfer" && tokens[1] === "v1" && tokens[3] === name) {
    const downloads = Object.values(manifest.rpc ?? {}).some(({ transfer }) => transfer !== undefined);
    const uploads = Object.values(manifest.operations ?? {}).some(({ transfer }) => transfer !== undefined);
    if (tokens[2] === "control") return tokens.length === 6 && (downloads || uploads);
    return tokens.length === 5 && ((tokens[2] === "download" && downloads) || (tokens[2] === "upload" && uploads));
  }
  return false;
}

/** Whether an agent gets credentials at all: everything it requires must be within what its user holds. */
export function mayConnect(who: Participant, world: World): boolean {
  if (who.manifest.kind === "service") return true;
  return Object.values(who.manifest.uses?.required ?? {}).every((selection) => {
    const target = world.contracts.get(selection.contract)?.manifest;
    return (
      (selection.rpc?.call ?? []).every((name) => holdsAll(who, target?.rpc?.[name]?.capabilities?.call)) &&
      (selection.operations?.call ?? []).every((name) =>
        holdsAll(who, target?.operations?.[name]?.capabilities?.call),
      ) &&
      (selection.events?.publish ?? []).every((name) => holdsAll(who, target?.events?.[name]?.capabilities?.publish)) &&
      (selection.events?.subscribe ?? []).every((name) =>
        holdsAll(who, target?.events?.[name]?.capabilities?.subscribe),
      ) &&
      (selection.feeds?.subscribe ?? []).every((name) => holdsAll(who, target?.feeds?.[name]?.capabilities?.subscribe))
    );
  });
}

function holdsAll(who: Participant, needed: readonly string[] | undefined): boolean {
  return (needed ?? []).every((capability) => who.holds(capability));
}

/** The name, then exactly one token for each parameter. */
function isEvent(subject: string, name: string, owner: Manifest): boolean {
  const event = owner.events?.[name];
  if (!event) return false;
  const base = `events.v1.${name}`;
  const params = event.params?.length ?? 0;
  return subject === base
    ? params === 0
    : subject.startsWith(`${base}.`) && subject.slice(base.length + 1).split(".").length === params;
}

/** `<surface>.control.stream.<deployment>.<replica>.<stream>`, of any deployment or of one. */
function isStreamControl(subject: string, surface: string, only?: string): boolean {
  const head = `${surface}.control.stream.`;
  const [deployment, ...rest] = subject.slice(head.length).split(".");
  return subject.startsWith(head) && rest.length === 2 && (only === undefined || deployment === only);
}
