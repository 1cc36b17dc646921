import { LIMITS } from "@trellis/protocol";

/** Every limit of a service runtime, in one place. */
export interface ServiceLimits {
  /** Handlers at work at the same time in one replica. */
  readonly maxInFlight: number;
  /** Verified requests that may wait for a handler; beyond it callers hear `overloaded` at once. */
  readonly maxQueued: number;
  /** Requests whose signature is being checked; beyond it they are dropped, because nothing unverified is answered. */
  readonly maxVerifying: number;
  /** Sessions whose public facts are kept. */
  readonly maxSessions: number;
  /** Calls to the control plane about sessions that may be open at the same time. */
  readonly maxValidations: number;
  /** How long one such call may take. */
  readonly validateTimeoutMs: number;
  /** How long a known session goes on while the control plane cannot be reached. */
  readonly hardLeaseMs: number;
  /** Deadline of a request that names none. */
  readonly defaultDeadlineMs: number;
  /** The longest deadline a caller may ask for. */
  readonly maxDeadlineMs: number;
  /** How far the time in a proof may be from ours, in either direction. */
  readonly freshnessMs: number;
  /** How long a drain waits for accepted requests before it aborts their signals. */
  readonly drainMs: number;
  /** How long the handler of one event may take before its attempt counts as failed. */
  readonly eventHandlerMs: number;
  /** How long one health check may take before it counts as failed. */
  readonly healthCheckMs: number;
  /** Time between heartbeats. */
  readonly heartbeatMs: number;
  /** Feeds open at the same time in one replica; beyond it whoever opens another hears `overloaded` at once. */
  readonly maxOpenFeeds: number;
  /** Of these, how many one session may have: a single reader must not take the place of all others. */
  readonly maxOpenFeedsPerSession: number;
  /** Operations at work at the same time in one replica; those that sleep are not at work. */
  readonly maxOperations: number;
  /** Callers that may wait at one replica for an operation to end; beyond it they hear `overloaded` and ask another. */
  readonly maxOpenWaits: number;
  /** Between two looks for operations that nobody has in hand. */
  readonly operationSweepMs: number;
  /** Frames a feed may send before its reader grants more. */
  readonly feedCredits: number;
  /** How often idle feeds and their readers say that they live; three missed end the feed. */
  readonly feedHeartbeatMs: number;
  /** Downloads, and uploads, that one replica has granted and that are not over; beyond it callers hear `overloaded`. */
  readonly maxTransferGrants: number;
  /** Of these, how many one session (of uploads: one principal) may have. */
  readonly maxTransferGrantsPerSession: number;
  /** Downloads, and uploads, that move at the same time in one replica. */
  readonly maxOpenTransfers: number;
  /** Of these, how many one session may have. */
  readonly maxOpenTransfersPerSession: number;
  /** How long a granted download waits to be read, and goes on waiting for a reader that was cut off. */
  readonly transferIdleMs: number;
  /** How long an upload may stand still, where its operation does not say (`expiresInMs`). */
  readonly transferUploadIdleMs: number;
  /** Chunks on their way at once: granted before the first, and kept by the sender until they are stored. */
  readonly transferCredits: number;
  /** How often the two ends of a transfer say that they live; three missed end the stream, not the transfer. */
  readonly transferHeartbeatMs: number;
}

export const SERVICE_LIMITS: ServiceLimits = {
  // Handlers mostly wait; this many waiting ones cost little memory, and a stuck dependency shows soon.
  maxInFlight: 256,
  // As many again: at usual handler times the last in the queue still meets the default deadline.
  maxQueued: 256,
  // About a third of a second of verification on two cores.
  maxVerifying: 4096,
  // About 1 kB each: 10 MB at the most.
  maxSessions: 10_000,
  // A storm of unknown sessions must not become an unbounded one on the control plane.
  maxValidations: 1_024,
  // Under half of the default deadline, so that the caller still hears `retry_later`.
  validateTimeoutMs: 2_000,
  // The stated trade between availability and how late a revocation can be during a control-plane outage.
  hardLeaseMs: 300_000,
  defaultDeadlineMs: 5_000,
  maxDeadlineMs: 300_000,
  freshnessMs: 30_000,
  // What orchestrators give a process between SIGTERM and SIGKILL, less a margin.
  drainMs: 25_000,
  // Longer work is a job or an operation; one that hangs must not hold up its group for ever.
  eventHandlerMs: 300_000,
  healthCheckMs: 2_000,
  heartbeatMs: 10_000,
  // An open feed costs a replica 20 to 30 kB, so 300 MB at the most.
  maxOpenFeeds: 10_000,
  // Generous for a person's screens and for a gateway that reads for many.
  maxOpenFeedsPerSession: 1_024,
  // Handlers mostly wait; this many cost some megabytes, and what is not taken is there for other replicas.
  maxOperations: 1_024,
  // About 1 kB each, 10 MB at the most.
  maxOpenWaits: 10_000,
  // What it finds should not happen, and each look reads everything that was recorded since the last one.
  operationSweepMs: 60_000,
  // Readers that keep up widen it by themselves; 16 of the largest messages are what one may make a slow reader hold.
  feedCredits: 16,
  feedHeartbeatMs: LIMITS.streamHeartbeatMs,
  // One that nobody uses costs about 2 kB and a subscription: 10 MB at the most.
  maxTransferGrants: 4_096,
  // More files than a person opens at once; a gateway that reads for many has sessions of its own.
  maxTransferGrantsPerSession: 64,
  // Each holds up to 20 MiB while it moves (pages read ahead, chunks on their way), so about 1.3 GiB at the most.
  maxOpenTransfers: 64,
  // A quarter: one session must not take the place of all others.
  maxOpenTransfersPerSession: 16,
  // Long enough to be read by whoever asked, short enough that forgotten ones do not pile up.
  transferIdleMs: 60_000,
  // A connection that comes back within a quarter of an hour goes on where it was.
  transferUploadIdleMs: 900_000,
  // 4 MiB: 400 MiB/s over a way of 10 ms.
  transferCredits: 32,
  transferHeartbeatMs: LIMITS.streamHeartbeatMs,
};
