import { JOB_PRIORITIES, JOBS_MARKS_STREAM, JOBS_STREAM, LEADER_READ_PREFIX } from "./bindings.ts";
import type { Bindings, ConsumerBinding } from "./bindings.ts";
import { deriveUses } from "./derive-uses.ts";
import type { Manifest } from "./manifest.ts";
import { isName } from "./names.ts";
import { PermissionList } from "./permission-list.ts";
import type { DeriveInput, Permissions } from "./permissions.ts";
import { listSurfaces } from "./surfaces.ts";
import {
  OPERATION_ACTIONS,
  deadEventSubject,
  eventSubjectTemplate,
  eventWildcard,
  feedSubject,
  jobMarkSubject,
  jobSubject,
  operationChangesSubject,
  operationContractSubject,
  operationControlSubject,
  operationRecordSubject,
  operationRunSubject,
  operationSubject,
  rpcSubject,
  streamControlSubject,
  transferControlSubject,
  transferSubject,
} from "./subjects.ts";

/** Where the control plane announces changes of authority; every service listens. */
export const AUTH_CHANGES_SUBJECT = "trellis.auth.v1.changes";

/**
 * What one connection may do, exactly: nothing that its contract does not say, and of what it says only what its
 * capabilities and the active contracts behind its aliases allow.
 *
 * Invariants (each is a property test):
 * 1. Every subject belongs to a surface of this contract, to a surface it selected of a used contract, or to the
 *    connection itself (its inbox, and for services reply shapes, discovery and change notices).
 * 2. No JetStream API but reading its own private buckets and streams, its own jobs, and pulling from its own consumers.
 * 3. A physical name that is not a plain name is refused: it would widen a subject.
 */
export function derivePermissions(input: DeriveInput): Permissions {
  requireName("inbox prefix", input.inboxPrefix, /^_INBOX\.[A-Za-z0-9_-]{16}$/.test(input.inboxPrefix));
  const { manifest, bindings } = input;
  if (bindings.service !== undefined)
    requireName("deployment", bindings.service, isName("deployment", bindings.service));
  for (const name of Object.values(input.serviceNames ?? {}).flat())
    requireName("deployment", name, isName("deployment", name));
  for (const each of [manifest, ...Object.values(input.uses)]) requireDerivedSubjects(each);
  const list = new PermissionList();
  list.subscribe(
    `${input.inboxPrefix}.>`,
    `every participant receives its answers, streams and notices below its own inbox`,
  );
  if (manifest.kind === "service") serve(manifest, bindings, list);
  deriveOwnEvents(manifest, list);
  deriveUses(input, list);
  deriveResources(manifest, bindings, list);
  if (manifest.kind === "service") {
    deriveJobs(manifest, bindings, list);
    deriveOperations(manifest, bindings, list);
    deriveEventConsumers(input, list);
  }
  return list.permissions();
}

function serve(manifest: Manifest, bindings: Bindings, list: PermissionList): void {
  const { id } = manifest;
  list.publish(
    "_INBOX.*.r.*.*",
    `${id} is a service and answers requests; the random parts of an inbox are known only to the caller and to whom it asked`,
  );
  list.publish(
    "_INBOX.*.s.>",
    `${id} is a service and sends the frames of streams to the inboxes callers opened for them`,
  );
  list.subscribe(
    AUTH_CHANGES_SUBJECT,
    `${id} is a service and drops what it remembers about a session when its authority changes`,
  );
  if (bindings.service !== undefined) {
    for (const verb of ["PING", "INFO", "STATS"]) {
      const reason = `${id} is a service and answers ${verb} of the NATS micro protocol`;
      list.subscribe(`$SRV.${verb}`, reason);
      list.subscribe(`$SRV.${verb}.${bindings.service}`, reason);
      list.subscribe(`$SRV.${verb}.${bindings.service}.*`, reason);
    }
  }
  for (const [name, { subject, transfer }] of entries(manifest.rpc)) {
    list.subscribe(subject, `${id} owns the RPC ${name} and answers it`, id);
    if (transfer !== undefined) serveTransfers(`the RPC ${name} of ${id}`, "download", bindings, list);
  }
  serveOperations(manifest, bindings, list);
  for (const [name, { subject }] of entries(manifest.feeds)) {
    list.subscribe(subject, `${id} owns the feed ${name} and opens it for its readers`, id);
    serveStreams(`${id} owns the feed ${name} and hears the credits of its readers`, subject, bindings, list);
  }
}

function serveOperations(manifest: Manifest, bindings: Bindings, list: PermissionList): void {
  const { id } = manifest;
  for (const { kind, name, subject = "", actions } of listSurfaces(manifest)) {
    if (kind !== "operation") continue;
    list.subscribe(subject, `${id} owns the operation ${name} and accepts it`, id);
    list.subscribe(operationRunSubject(subject), `${id} owns the operation ${name}, accepts it and tells its end`, id);
    answerControl(manifest, name, subject, actions, bindings, list);
    serveStreams(
      `${id} owns the operation ${name} and hears the credits of those who watch it`,
      subject,
      bindings,
      list,
    );
    if (manifest.operations?.[name]?.transfer !== undefined)
      serveTransfers(`the operation ${name} of ${id}`, "upload", bindings, list);
  }
}

/** Whoever asks about an operation knows the deployment that has it: no other hears the question. */
function answerControl(
  { id }: Manifest,
  name: string,
  subject: string,
  actions: readonly string[],
  { service }: Bindings,
  list: PermissionList,
): void {
  if (service === undefined) return;
  const answered = OPERATION_ACTIONS.filter(
    (action) =>
      (action !== "cancel" || actions.includes("cancel")) && (action !== "signal" || actions.includes("control")),
  );
  for (const action of answered)
    list.subscribe(
      operationControlSubject(subject, action, service),
      `${id} owns the operation ${name}, and its deployment ${service} answers the control action ${action}`,
      id,
    );
}

function serveStreams(reason: string, subject: string, { service }: Bindings, list: PermissionList): void {
  if (service !== undefined) list.subscribe(streamControlSubject(subject, service, "*", "*"), reason);
}

function serveTransfers(
  surface: string,
  direction: "upload" | "download",
  bindings: Bindings,
  list: PermissionList,
): void {
  if (bindings.service === undefined) return;
  list.subscribe(
    transferSubject(direction, bindings.service, "*"),
    `${surface} transfers bytes, which the deployment ${bindings.service} serves`,
  );
  list.subscribe(
    transferControlSubject(bindings.service, "*", "*"),
    `${surface} transfers bytes, and the other side sends its credits to the replica that serves them`,
  );
}

/**
 * A service or device owns its events because somebody accepted its contract for a deployment. The contract of an app or agent
 * comes from whoever runs it: it could name the events of anybody, so it publishes only what it `uses`.
 */
function deriveOwnEvents(manifest: Manifest, list: PermissionList): void {
  if (manifest.kind === "app" || manifest.kind === "agent") return;
  for (const [name, { subject }] of entries(manifest.events))
    list.publish(eventWildcard(subject), `${manifest.id} owns the event ${name} and publishes it`);
}

function deriveResources(manifest: Manifest, bindings: Bindings, list: PermissionList): void {
  for (const alias of Object.keys(manifest.resources?.kv ?? {})) {
    const bucket = own(bindings.kv, alias)?.bucket;
    if (bucket === undefined) continue;
    requireName("bucket", bucket, isName("bucket", bucket));
    const what = `${manifest.id} declares the KV resource ${alias}, which is the bucket ${bucket}`;
    list.publish(`$KV.${bucket}.>`, `${what}: it writes its keys`);
    list.subscribe(`kvr.${bucket}.>`, `${what}: it watches its keys`);
    deriveReads(`KV_${bucket}`, `$KV.${bucket}.>`, what, list);
  }
  for (const alias of Object.keys(manifest.resources?.store ?? {})) {
    const bucket = own(bindings.store, alias)?.bucket;
    if (bucket === undefined) continue;
    requireName("bucket", bucket, isName("bucket", bucket));
    const what = `${manifest.id} declares the object store ${alias}, which is the bucket ${bucket}`;
    list.publish(`$O.${bucket}.C.>`, `${what}: it writes the chunks of its objects`);
    list.publish(`$O.${bucket}.M.>`, `${what}: it writes what its objects are called`);
    deriveReads(`OBJ_${bucket}`, `$O.${bucket}.>`, what, list);
  }
}

/** Batched and leader reads name their subject in the body, which NATS cannot check: private streams only. */
function deriveReads(stream: string, subjects: string, what: string, list: PermissionList): void {
  list.publish(`$JS.API.DIRECT.GET.${stream}`, `${what}: it reads many entries at once`);
  list.publish(`$JS.API.DIRECT.GET.${stream}.${subjects}`, `${what}: it reads one entry`);
  list.publish(`${LEADER_READ_PREFIX}.${stream}`, `${what}: it reads from the leader when the answer must be fresh`);
}

function deriveJobs(manifest: Manifest, bindings: Bindings, list: PermissionList): void {
  for (const queue of Object.keys(manifest.jobs ?? {})) {
    const binding = own(bindings.jobs, queue);
    if (binding === undefined || bindings.service === undefined) continue;
    const what = `${manifest.id} owns the job queue ${queue}`;
    const events = jobSubject(bindings.service, queue, "*", "*");
    list.publish(events, `${what}: it creates its jobs and records what becomes of them`);
    list.subscribe(events, `${what}: it hears at once when one is cancelled`);
    list.publish(`$JS.API.DIRECT.GET.${JOBS_STREAM}.${events}`, `${what}: it reads the last record of a job`);
    const marks = jobMarkSubject(bindings.service, queue, "*", "*");
    list.publish(marks, `${what}: its replicas agree on unique jobs and limits`);
    list.publish(`$JS.API.DIRECT.GET.${JOBS_MARKS_STREAM}.${marks}`, `${what}: it reads what they agreed on`);
    const { stream, consumer, priorities } = binding;
    const consumers = priorities === undefined ? [] : JOB_PRIORITIES.map((priority) => priorities[priority]);
    for (const each of [consumer, ...consumers])
      deriveConsumer({ stream, consumer: each }, `${what}: it takes work from it`, list);
  }
}

/** Two streams of the deployment's own, so batched and leader reads are granted where they are needed. */
function deriveOperations(manifest: Manifest, bindings: Bindings, list: PermissionList): void {
  const { operations, service } = bindings;
  if (operations === undefined || service === undefined) return;
  if (Object.keys(manifest.operations ?? {}).length === 0) return;
  requireName("stream", operations.stream, isName("bucket", operations.stream));
  const what = `${manifest.id} owns operations, whose streams are ${operations.stream} and ${operations.work.stream}`;
  const subject = (part: Parameters<typeof operationRecordSubject>[1]): string =>
    operationRecordSubject(service, part, "*", "*");
  list.publish(subject("journal"), `${what}: it records what becomes of them`);
  list.publish(subject("inbox"), `${what}: it keeps signals for the replica that runs one`);
  list.publish(subject("work"), `${what}: it accepts them, and wakes those that sleep`);
  list.publish(subject("wake"), `${what}: it says when one is to be woken`);
  list.publish(operationContractSubject(service, "*"), `${what}: it keeps what they were under its contracts`);
  list.subscribe(subject("inbox"), `${what}: it hears signals at once`);
  list.subscribe(
    operationChangesSubject(operations.stream, "*", "*"),
    `${what}: it tells those who watch what has changed`,
  );
  deriveReads(operations.stream, `trellis.ops.${service}.>`, what, list);
  list.publish(`${LEADER_READ_PREFIX}.${operations.work.stream}`, `${what}: it looks up one that nobody has begun`);
  deriveConsumer(operations.work, `${what}: it takes work from them`, list);
}

function deriveEventConsumers({ manifest, uses, capabilities, bindings }: DeriveInput, list: PermissionList): void {
  for (const [group, consumer] of entries(manifest.eventConsumers)) {
    const binding = own(bindings.eventConsumers, group);
    if (binding === undefined) continue;
    // The consumer delivers all its events or none: what is missing an allowance closes the whole group. It reads nothing of
    // an optional use that is not granted, but keeps the place of a required one.
    const allowed = entries(consumer.uses).every(([alias, events]) => {
      const granted = own(uses, alias);
      if (granted === undefined) return own(manifest.uses?.required, alias) === undefined;
      return events.every((event) =>
        (own(granted.events, event)?.capabilities?.subscribe ?? []).every((key) => capabilities.has(key)),
      );
    });
    if (!allowed) continue;
    const what = `${manifest.id} declares the event consumer ${group}`;
    deriveConsumer(binding, `${what}: it takes its events`, list);
    if (bindings.service === undefined) continue;
    requireName("event consumer", group, isName("local", group));
    list.publish(deadEventSubject(bindings.service, group, "*"), `${what}: it puts aside what it cannot handle`);
  }
}

function deriveConsumer({ stream, consumer }: ConsumerBinding, reason: string, list: PermissionList): void {
  requireName("stream", stream, isName("bucket", stream));
  requireName("consumer", consumer, isName("bucket", consumer));
  list.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, reason);
  list.publish(`$JS.ACK.${stream}.${consumer}.>`, `${reason} and acknowledges them`);
  // Newer servers may put the domain (`_` is none) and the account in front. The domain is literal: with `*` for both,
  // `$JS.ACK.<stream>.<neighbour>.<stream>.<ours>.1.1.0` would be the older form for a neighbour's consumer, and `+NXT` in it
  // takes the neighbour's next message.
  list.publish(
    `$JS.ACK._.*.${stream}.${consumer}.>`,
    `${reason} and acknowledges them (the form with domain and account)`,
  );
}

/** Parsing has checked this; a manifest that came another way must not be able to smuggle in a wider subject. */
function requireDerivedSubjects(manifest: Manifest): void {
  const check = (name: string, version: string, subject: string, derived: string): void =>
    requireName(
      "surface",
      `${name} ${version} ${subject}`,
      isName("surface", name) && isName("version", version) && subject === derived,
    );
  requireName("contract", manifest.id, isName("contractId", manifest.id));
  for (const [name, { version, subject }] of entries(manifest.rpc))
    check(name, version, subject, rpcSubject(name, version));
  for (const [name, { version, subject }] of entries(manifest.operations))
    check(name, version, subject, operationSubject(name, version));
  for (const [name, { version, subject }] of entries(manifest.feeds))
    check(name, version, subject, feedSubject(name, version));
  for (const [name, { version, subject, params = [] }] of entries(manifest.events)) {
    for (const param of params) requireName("event parameter", param, isName("eventParam", param));
    check(name, version, subject, eventSubjectTemplate(name, version, params));
  }
  for (const queue of Object.keys(manifest.jobs ?? {})) requireName("job queue", queue, isName("local", queue));
}

function requireName(what: string, name: string, valid: boolean): void {
  if (!valid)
    throw new RangeError(
      `${JSON.stringify(name)} cannot be the name of a ${what}: it would not stand for one thing in a subject`,
    );
}

function entries<T>(map: { readonly [name: string]: T } | undefined): readonly (readonly [string, T])[] {
  return Object.entries(map ?? {});
}

function own<T>(map: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
}
