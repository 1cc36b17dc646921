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
  /** How long one health check may take before it counts as failed. */
  readonly healthCheckMs: number;
  /** Time between heartbeats. */
  readonly heartbeatMs: number;
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
  healthCheckMs: 2_000,
  heartbeatMs: 10_000,
};
