import type { Manifest } from "@trellis/contracts";

/** One thing to try. */
export interface Probe {
  readonly subject: string;
  readonly queue?: string;
}

/** Sixteen characters of nobody's key. */
export const STRANGER = "_INBOX.AAAAAAAAAAAAAAAA";
const OWNER = "x".repeat(22);
const CALL = "y".repeat(12);

/** Subjects nobody who is a participant may touch, or only the one they belong to. */
const FORBIDDEN: readonly string[] = [
  ">",
  "*",
  "$JS.>",
  "$JS.API.>",
  "$JS.API.INFO",
  "$JS.API.STREAM.LIST",
  "$JS.API.STREAM.NAMES",
  "$JS.API.STREAM.CREATE.NEW",
  "$JS.API.CONSUMER.MSG.NEXT.>",
  "$JS.API.DIRECT.GET.>",
  "$JS.API.DIRECT.GET.EVENTS",
  "$JS.API.DIRECT.GET.JOBS",
  "$JS.API.DIRECT.GET.REGISTRY",
  "$JS.API.DIRECT.GET.SESSIONS",
  "$JS.API.DIRECT.GET.AUDIT",
  "$JS.API.DIRECT.GET.EVENTS.events.v1.Auth.Sessions.Revoked",
  "$JS.API.ACCOUNT.PURGE.X",
  "$JS.API.META.LEADER.STEPDOWN",
  "$JS.API.SERVER.REMOVE",
  "$JS.ACK.>",
  "$JS.ACK.EVENTS.>",
  "$JS.FC.EVENTS.x.y",
  "$JS.EVENT.ADVISORY.>",
  "$JS.SNAPSHOT.>",
  "trellis.leader.>",
  "trellis.leader.*",
  "trellis.leader.EVENTS",
  "trellis.leader.JOBS",
  "trellis.leader.REGISTRY",
  "trellis.leader.SESSIONS",
  "trellis.leader.AUDIT",
  "trellis.leader.LEASES",
  "trellis.jobs.>",
  "trellis.ops.>",
  "trellis.ops.x.1",
  "trellis.ops.x.journal.Run.1",
  "trellis.ops.x.work.Run.1",
  "trellis.leader.OPS_x",
  "trellis.leader.OPS_WORK_x",
  "$JS.API.DIRECT.GET.OPS_x",
  "$JS.API.CONSUMER.MSG.NEXT.OPS_WORK_x.x",
  "kvr.OPS_x.Run.1",
  "trellis.work.x.q",
  "trellis.dead.>",
  "trellis.dead.x.g.1",
  "events.replay.>",
  "events.replay.x_g.v1.y",
  "trellis.leader.EVENTS_DEAD",
  "$JS.API.DIRECT.GET.EVENTS_DEAD",
  "trellis.auth.v1.changes",
  "trellis.>",
  "$SYS.>",
  "$SYS.REQ.SERVER.PING",
  "$SYS.REQ.USER.INFO",
  "$SYS.REQ.USER.AUTH",
  "$SYS.REQ.CLAIMS.UPDATE",
  "$SYS.REQ.ACCOUNT.PING.CONNZ",
  "$SYS.ACCOUNT.>",
  "_INBOX.>",
  "_INBOX.*",
  `${STRANGER}.>`,
  `${STRANGER}.r.${OWNER}.${CALL}`,
  `${STRANGER}.s.${OWNER}`,
  `${STRANGER}.a.${OWNER}.${CALL}`,
  `${STRANGER}.c.notice`,
  `${STRANGER}.r.${OWNER}`,
  `${STRANGER}.r.${OWNER}.${CALL}.z`,
  "_INBOX.x",
  "_R_.>",
  "_GR_.x",
  "_REPLY_.x",
  "$KV.>",
  "$KV.*.k",
  "$KV.registry.k",
  "kvr.>",
  "kvr.*.k",
  "$O.>",
  "$O.x.C.y",
  "$SRV.>",
  "$SRV.PING",
  "$SRV.PING.other",
  "$SRV.PING.other.id",
  "$SRV.INFO.>",
  "$SRV.RESET",
  "rpc.>",
  "rpc.v1.>",
  "rpc.v1.*",
  "rpc.v1.Auth.Explain",
  "rpc.v1.Auth.Users.Create",
  "rpc.v1.Auth.Requests.Validate",
  "rpc.v1.Auth.Sessions.Me",
  "rpc.v1.Trellis.Surface.Status",
  "rpc.v1.Trellis.Catalog",
  "events.>",
  "events.v1.>",
  "events.v1.*.*",
  "events.v1.Health.Heartbeat",
  "events.v1.Auth.Sessions.Revoked",
  "events.v1.Auth.Connections.Kicked",
  "operations.>",
  "operations.v1.>",
  "feeds.>",
  "feeds.v1.>",
  "transfer.>",
  "transfer.v1.>",
  "transfer.v1.upload.*.*",
  "transfer.v1.control.>",
  "registry.>",
  "session.>",
  "audit.>",
  "leases.>",
  "audit.x",
  "nothing",
  "security.nothing",
];

/** Every exact subject that belongs to a participant's own things, whether it may use it or not. */
export function subjectsOf(name: string, manifest: Manifest, prefix: string): readonly string[] {
  const found: string[] = [
    `${prefix}.>`,
    `${prefix}.*`,
    `${prefix}.r.${OWNER}.${CALL}`,
    `${prefix}.s.${OWNER}`,
    `${prefix}.a.${OWNER}.${CALL}`,
    `${prefix}.c.notice`,
  ];
  const streamed = (base: string): readonly string[] => [
    `${base}.control.stream.${name}.r1.s1`,
    `${base}.control.stream.${name}.*.*`,
    `${base}.control.stream.neighbour.r1.s1`,
    `${base}.control.stream.*.*.*`,
    `${base}.control.stream.${name}.r1`,
    `${base}.control.>`,
  ];
  for (const rpc of Object.keys(manifest.rpc ?? {})) found.push(`rpc.v1.${rpc}`, `rpc.v1.${rpc}.x`, `rpc.v2.${rpc}`);
  for (const operation of Object.keys(manifest.operations ?? {})) {
    const base = `operations.v1.${operation}`;
    found.push(
      base,
      ...["start", "run", "get", "wait", "watch", "cancel", "signal", "other"].flatMap((action) => [
        `${base}.control.${action}`,
        `${base}.control.${action}.${name}`,
        `${base}.control.${action}.neighbour`,
        `${base}.control.${action}.*`,
      ]),
      ...streamed(base),
    );
  }
  for (const feed of Object.keys(manifest.feeds ?? {})) found.push(`feeds.v1.${feed}`, ...streamed(`feeds.v1.${feed}`));
  for (const [event, { params = [] }] of Object.entries(manifest.events ?? {})) {
    const base = `events.v1.${event}`;
    const filled = [base, ...params.map((_, at) => `p${at}`)].join(".");
    found.push(filled, `${filled}.more`, `${base}.>`, [base, ...params.map(() => "*")].join("."));
  }
  for (const queue of Object.keys(manifest.jobs ?? {})) {
    const job = `trellis.jobs.${name}.${queue}`;
    found.push(
      `${job}.j1.progress`,
      `${job}.j1`,
      `${job}.*.*`,
      `${job}.>`,
      `$JS.API.DIRECT.GET.JOBS.${job}.j1.progress`,
      `$JS.API.DIRECT.GET.JOBS.${job}.>`,
    );
    found.push(`trellis.work.${name}.${queue}`, ...consumer("JOBS_WORK", `${name}_${queue}`));
  }
  for (const group of Object.keys(manifest.eventConsumers ?? {}))
    found.push(
      ...consumer("EVENTS", `${name}_${group}`),
      `trellis.dead.${name}.${group}.1`,
      `trellis.dead.${name}.>`,
      `events.replay.${name}_${group}.v1.x`,
      `${name}_${group}.v1.x`,
    );
  for (const alias of Object.keys(manifest.resources?.kv ?? {})) found.push(...bucket("KV", "$KV", `${name}_${alias}`));
  for (const alias of Object.keys(manifest.resources?.store ?? {}))
    found.push(...bucket("OBJ", "$O", `${name}_${alias}`));
  if (manifest.kind === "service") {
    // Whether or not it has operations.
    found.push(...operations(name));
    for (const kind of ["upload", "download"])
      found.push(`transfer.v1.${kind}.${name}.t1`, `transfer.v1.${kind}.${name}.*`);
    found.push(`transfer.v1.control.${name}.r1.t1`, `transfer.v1.control.${name}.*.*`);
    for (const verb of ["PING", "INFO", "STATS"])
      found.push(`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.id1`, `$SRV.${verb}.${name}.>`);
  }
  return found;
}

function consumer(stream: string, name: string): readonly string[] {
  return [
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}.x`,
    `$JS.API.CONSUMER.INFO.${stream}.${name}`,
    `$JS.API.CONSUMER.DELETE.${stream}.${name}`,
    `$JS.API.CONSUMER.PAUSE.${stream}.${name}`,
    `$JS.API.CONSUMER.RESET.${stream}.${name}`,
    `$JS.API.CONSUMER.UNPIN.${stream}.${name}`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.${name}`,
    `$JS.API.CONSUMER.CREATE.${stream}.${name}`,
    `$JS.API.CONSUMER.CREATE.${stream}.${name}.events.>`,
    `$JS.API.CONSUMER.LEADER.STEPDOWN.${stream}.${name}`,
    // As acknowledgements these name what does not exist, so whoever may send them changes nothing.
    `$JS.ACK.${stream}.${name}.1.999999.999999.1.0`,
    `$JS.ACK._.hash.${stream}.${name}.1.999999.999999.1.0`,
    `$JS.ACK.dom.hash.${stream}.${name}.1.999999.999999.1.0`,
    `$JS.ACK.${stream}.other_group.${stream}.${name}.1.1.0`,
    `$JS.ACK.${stream}.${name}`,
  ];
}

function operations(name: string): readonly string[] {
  const [journal, work] = [`OPS_${name}`, `OPS_WORK_${name}`];
  const own = `trellis.ops.${name}`;
  return [
    ...["journal", "inbox", "work", "wake", "other"].flatMap((part) => [
      `${own}.${part}.Probe.p1`,
      `${own}.${part}.*.*`,
      `${own}.${part}.Probe`,
      `${own}.${part}.>`,
    ]),
    `${own}.contract.d1`,
    `${own}.contract.d1.x`,
    `${own}.>`,
    // Another id than that of the journal above, whose records come this way.
    `kvr.${journal}.Probe.p2`,
    `kvr.${journal}.>`,
    `kvr.${work}.Probe.p2`,
    ...[journal, work].flatMap((stream) => [
      `$JS.API.DIRECT.GET.${stream}`,
      `$JS.API.DIRECT.GET.${stream}.${own}.journal.Probe.p1`,
      `$JS.API.DIRECT.GET.${stream}.events.v1.x`,
      `trellis.leader.${stream}`,
      ...["INFO", "PURGE", "DELETE", "UPDATE", "MSG.GET", "MSG.DELETE"].map(
        (verb) => `$JS.API.STREAM.${verb}.${stream}`,
      ),
      `$JS.API.CONSUMER.CREATE.${stream}`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.spy`,
    ]),
    ...consumer(work, name),
  ];
}

function bucket(kind: "KV" | "OBJ", root: "$KV" | "$O", name: string): readonly string[] {
  const stream = `${kind}_${name}`;
  const key = kind === "KV" ? `${root}.${name}.probe` : `${root}.${name}.M.probe`;
  return [
    key,
    `${root}.${name}`,
    `${root}.${name}.>`,
    `${root}.${name}x.probe`,
    `${root}.${name}.X.probe`,
    `kvr.${name}.k`,
    `kvr.${name}.>`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.${key}`,
    `$JS.API.DIRECT.GET.${stream}.${root}.${name}x.probe`,
    `$JS.API.DIRECT.GET.${stream}.events.v1.x`,
    `trellis.leader.${stream}`,
    `trellis.leader.${stream}.x`,
    ...[
      "INFO",
      "PURGE",
      "DELETE",
      "UPDATE",
      "CREATE",
      "MSG.GET",
      "MSG.DELETE",
      "SNAPSHOT",
      "RESTORE",
      "LEADER.STEPDOWN",
      "PEER.REMOVE",
    ].map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.spy.${key}`,
    `$JS.API.CONSUMER.LIST.${stream}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.spy`,
  ];
}

/** Everything to try in one set: what belongs to each, and what belongs to nobody. */
export function probes(
  participants: readonly { readonly name: string; readonly manifest: Manifest; readonly prefix: string }[],
): readonly string[] {
  return [
    ...new Set([
      ...participants.flatMap(({ name, manifest, prefix }) => subjectsOf(name, manifest, prefix)),
      ...FORBIDDEN,
    ]),
  ];
}
