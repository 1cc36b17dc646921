import { bytes, choice, count, duration, flag, list, optionalText, port, text } from "./setting.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const GIB = 1024 ** 3;
/** A page of values and one more must fit into a message of NATS, 1 MiB. */
const MAX_STATE_VALUE_BYTES = 512 * 1024;

/** Every setting of the control plane. The file has the same names as the members here. */
export const settings = {
  httpHost: text({
    env: "TRELLIS_HTTP_HOST",
    default: "127.0.0.1",
    describe: "Address the HTTP listener binds to.",
    reason: "Nothing is reachable from outside until somebody says so.",
  }),
  httpPort: port({
    env: "TRELLIS_HTTP_PORT",
    default: 3000,
    describe: "Port of bootstrap, health, metrics and the web pages.",
    reason: "The port people try first on a laptop.",
  }),
  httpTlsCertFile: optionalText({
    env: "TRELLIS_HTTP_TLS_CERT_FILE",
    describe: "PEM certificate chain; with it the listener speaks HTTPS.",
    reason: "Absent, TLS is taken to end at the load balancer.",
  }),
  httpTlsKeyFile: optionalText({
    env: "TRELLIS_HTTP_TLS_KEY_FILE",
    describe: "PEM private key that belongs to the certificate.",
    reason: "Given together with the certificate or not at all.",
  }),
  httpMaxConcurrentBootstraps: count(
    {
      env: "TRELLIS_HTTP_MAX_BOOTSTRAPS",
      default: 512,
      describe: "Bootstrap requests answered at once by one replica; more are told to come back.",
      reason: "Anybody may send one, so their memory is bounded.",
    },
    1,
    100_000,
  ),
  natsServers: list({
    env: "TRELLIS_NATS_SERVERS",
    default: ["127.0.0.1:4222"],
    describe: "NATS servers the control plane connects to.",
    reason: "The NATS default port on this machine.",
  }),
  natsPublicServers: list({
    env: "TRELLIS_NATS_PUBLIC_SERVERS",
    default: [],
    describe: "NATS servers participants are told to use.",
    reason: "Empty: the same ones the control plane uses.",
  }),
  natsWebsocketServers: list({
    env: "TRELLIS_NATS_WEBSOCKET_SERVERS",
    default: [],
    describe: "WebSocket addresses browsers are told to use.",
    reason: "Empty: browsers cannot connect.",
  }),
  natsCaFile: optionalText({
    env: "TRELLIS_NATS_CA_FILE",
    describe: "PEM of the private authority that signed the NATS certificates.",
    reason: "Absent: the system's authorities are trusted.",
  }),
  operatorDirectory: text({
    env: "TRELLIS_OPERATOR_DIR",
    default: ".trellis/operator",
    describe: "Folder with the keys of the NATS operator and accounts, made by `trellis nats config`.",
    reason: "Where a local platform keeps them.",
  }),
  streamReplicas: choice(
    {
      env: "TRELLIS_STREAM_REPLICAS",
      default: "auto",
      describe: "Copies JetStream keeps of everything.",
      reason: "auto: 3 in a cluster of three or more nodes, otherwise 1.",
    },
    ["auto", "1", "3"],
  ),
  permissionsTtlMs: duration(
    {
      env: "TRELLIS_PERMISSIONS_TTL",
      default: HOUR,
      describe: "Life of the permissions of one connection; it is renewed before it ends.",
      reason: "Bounds how long a connection nobody could kick keeps what it had.",
    },
    2 * SECOND,
    DAY,
  ),
  callerLeaseMs: duration(
    {
      env: "TRELLIS_CALLER_LEASE",
      default: 30 * SECOND,
      describe: "How long a service reuses what it learned about a caller before it asks again.",
      reason: "Revocations are pushed at once; this bounds what a lost push could cost.",
    },
    SECOND,
    10 * MINUTE,
  ),
  sessionIdleMs: duration(
    {
      env: "TRELLIS_SESSION_IDLE",
      default: 30 * DAY,
      describe: "A session unused for this long ends.",
      reason: "Inactivity ends a session, not age.",
    },
    MINUTE,
    365 * DAY,
  ),
  planLifeMs: duration(
    {
      env: "TRELLIS_PLAN_LIFE",
      default: 7 * DAY,
      describe: "A plan nobody decided on expires after this.",
      reason: "What was reviewed a week ago is no longer what would happen.",
    },
    MINUTE,
    90 * DAY,
  ),
  eventsMaxAgeMs: duration(
    {
      env: "TRELLIS_EVENTS_MAX_AGE",
      default: 7 * DAY,
      describe: "Events older than this leave the shared stream.",
      reason: "Long enough for a consumer that was down over a weekend.",
    },
    MINUTE,
    3650 * DAY,
  ),
  eventsMaxBytes: bytes({
    env: "TRELLIS_EVENTS_MAX_BYTES",
    default: 2 * GIB,
    describe: "Size of the shared event stream; the oldest events leave first.",
    reason: "A laptop survives it; production sets its own.",
  }),
  eventsDedupeMs: duration(
    {
      env: "TRELLIS_EVENTS_DEDUPE",
      default: 2 * MINUTE,
      describe: "An event id published twice within this window is stored once.",
      reason: "Longer than any publisher retries.",
    },
    2 * MINUTE,
    HOUR,
  ),
  deadEventsMaxAgeMs: duration(
    {
      env: "TRELLIS_DEAD_EVENTS_MAX_AGE",
      default: 30 * DAY,
      describe: "Dead letters nobody decided on leave after this.",
      reason: "A month is time to find out what went wrong and replay.",
    },
    MINUTE,
    3650 * DAY,
  ),
  deadEventsMaxBytes: bytes({
    env: "TRELLIS_DEAD_EVENTS_MAX_BYTES",
    default: GIB,
    describe: "Size of the stream of dead letters; the oldest leave first.",
    reason: "Half of the event stream: more dead than alive is no longer a matter for replay.",
  }),
  jobsMaxAgeMs: duration(
    {
      env: "TRELLIS_JOBS_MAX_AGE",
      default: 30 * DAY,
      describe: "Records of jobs older than this leave the shared stream.",
      reason: "A month answers what happened to a job somebody asks about.",
    },
    MINUTE,
    3650 * DAY,
  ),
  jobsMaxBytes: bytes({
    env: "TRELLIS_JOBS_MAX_BYTES",
    default: 2 * GIB,
    describe: "Size of the shared job stream; new jobs are refused when it is full.",
    reason: "A laptop survives it; production sets its own.",
  }),
  stateMaxValueBytes: bytes(
    {
      env: "TRELLIS_STATE_MAX_VALUE",
      default: 64 * 1024,
      describe: "Largest value of state, as JSON.",
      reason: "State is settings and progress; what is larger is a file and belongs to a service.",
    },
    MAX_STATE_VALUE_BYTES,
  ),
  stateMaxEntries: count(
    {
      env: "TRELLIS_STATE_MAX_ENTRIES",
      default: 1_000,
      describe: "Entries of state one contract may keep for one user or device.",
      reason: "Whoever watches reads all of them; more is a service's data.",
    },
    1,
    100_000,
  ),
  stateMaxEntriesOfAll: count(
    {
      env: "TRELLIS_STATE_MAX_ENTRIES_OF_ALL",
      default: 5_000,
      describe: "Entries of state all contracts together may keep for one user or device.",
      reason: "Whoever runs an agent names its contract, and may name thousands.",
    },
    1,
    100_000,
  ),
  stateRequestsPerSecond: count(
    {
      env: "TRELLIS_STATE_REQUESTS_PER_SECOND",
      default: 100,
      describe: "Requests about state of one user or device each replica answers in a second; twice as many at once.",
      reason: "No program of one person may take the store from everybody else.",
    },
    1,
    1_000_000,
  ),
  stateMaxBytes: bytes({
    env: "TRELLIS_STATE_MAX_BYTES",
    default: GIB,
    describe: "Size of the bucket of all state; new entries are refused when it is full.",
    reason: "A laptop survives it; production sets its own.",
  }),
  auditMaxAgeMs: duration(
    {
      env: "TRELLIS_AUDIT_MAX_AGE",
      default: 365 * DAY,
      describe: "Audit records are kept this long.",
      reason: "A year answers most questions an auditor asks.",
    },
    DAY,
    3650 * DAY,
  ),
  reconcileSweepMs: duration(
    {
      env: "TRELLIS_RECONCILE_SWEEP",
      default: 30 * SECOND,
      describe: "How often everything is compared with what should be there, besides after every change.",
      reason: "Finds what changed behind our back without loading JetStream.",
    },
    SECOND,
    HOUR,
  ),
  local: flag({
    env: "TRELLIS_LOCAL",
    default: false,
    describe: "A platform on a laptop: new services are taken in mutable-dev mode by the developer's key.",
    reason: "Only `trellis up` and tests turn it on.",
  }),
  logLevel: choice(
    {
      env: "TRELLIS_LOG_LEVEL",
      default: "info",
      describe: "Least severe log line that is written.",
      reason: "Denials and decisions are info; requests are debug.",
    },
    ["debug", "info", "warn", "error"],
  ),
} as const;
