import type { AccountExport, AccountImport } from "../keys/claims.ts";

/**
 * The account split (design/security). NATS never checks the reply subject of a request, so a participant in an account
 * with JetStream could make the server publish answers to any subject there. Participants live in TRELLIS, without
 * JetStream; streams live in DATA; between them are these exports.
 *
 * Invariants, each with a test on a real server:
 * 1. Subjects stay wildcards and keep their names: literal or renamed imports of stored subjects let a hostile reply
 *    subject re-enter DATA. (A read of the leader stores nothing, and alone is renamed.)
 * 2. Gets by subject give single answers: as a stream of answers each would stay in the server's memory.
 * 3. Nothing that creates, changes, lists or purges is exported.
 */

export const ACCOUNT_NAMES = ["SYS", "AUTH", "TRELLIS", "DATA"] as const;

/** Raised with every change of what accounts export or import: an older version leaves alone what a newer one issued. */
export const ACCOUNTS_VERSION = 1;

/** SYS: the servers. AUTH: the callout. TRELLIS: participants. DATA: streams. */
export type AccountName = (typeof ACCOUNT_NAMES)[number];

const LEADER_READ = "$JS.API.STREAM.MSG.GET.*";

export const DATA_EXPORTS: readonly AccountExport[] = [
  // Publishes that a stream stores and acknowledges.
  { type: "service", subject: "$KV.>", answers: "Singleton" },
  { type: "service", subject: "$O.>", answers: "Singleton" },
  { type: "service", subject: "events.>", answers: "Singleton" },
  { type: "service", subject: "trellis.dead.>", answers: "Singleton" },
  { type: "service", subject: "trellis.jobs.>", answers: "Singleton" },
  { type: "service", subject: "trellis.ops.>", answers: "Singleton" },
  // Reads: one message by its subject, in batches by a body, and the stream leader's own copy.
  { type: "service", subject: "$JS.API.DIRECT.GET.*.>", answers: "Singleton" },
  { type: "service", subject: "$JS.API.DIRECT.GET.*", answers: "Stream" },
  { type: "service", subject: LEADER_READ, answers: "Singleton" },
  // Work from consumers that reconciliation made.
  { type: "service", subject: "$JS.API.CONSUMER.MSG.NEXT.>", answers: "Stream" },
  { type: "service", subject: "$JS.ACK.>", answers: "Singleton" },
  // What buckets republish: changes and the markers of expired keys.
  { type: "stream", subject: "kvr.>" },
];

/**
 * `<prefix>.<stream>` asks the stream's leader for one message, with the body of `$JS.API.STREAM.MSG.GET`. Under that name
 * the server answers participants twice, first that TRELLIS has no JetStream: every account imports `$JS.API.>` itself.
 */
export const LEADER_READ_PREFIX = "trellis.leader";

/** What participants reach, given the id of the DATA account. */
export function trellisImports(data: string): readonly AccountImport[] {
  return DATA_EXPORTS.map(({ type, subject }) => ({
    type,
    subject,
    account: data,
    ...(subject === LEADER_READ ? { as: `${LEADER_READ_PREFIX}.*` } : {}),
  }));
}
