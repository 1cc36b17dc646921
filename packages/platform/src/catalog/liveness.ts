/** Who is connected, as NATS tells it. Injected: it informs people, and tells who begins from who goes on. */
export interface Liveness {
  /** Connected replicas of a deployment, of one contract digest when given. */
  replicas(deployment: string, digest?: string): number;
  /** Whether this session key is connected now. */
  connected(sessionKey: string): boolean;
  /** Whether this session works under this contract now: one of its connections is open. */
  works(sessionKey: string, digest: string): boolean;
  /** The same, or it did a moment ago: whoever lost a connection goes on and does not begin. */
  hasBegun(sessionKey: string, digest: string): boolean;
  participants(): Iterable<LiveParticipant>;
}

export interface LiveParticipant {
  readonly sessionKey: string;
  /** What people call it: a deployment or a user. */
  readonly name: string;
  readonly deployment?: string;
  readonly contractDigest: string;
}

/** Nobody is connected: for tests and for a control plane that has not heard yet. */
export const NOBODY_LIVE: Liveness = {
  replicas: () => 0,
  connected: () => false,
  works: () => false,
  hasBegun: () => false,
  participants: () => [],
};
