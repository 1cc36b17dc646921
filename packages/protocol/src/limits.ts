/** Every limit of the protocol, in one place, each with its reason. */
export const LIMITS = {
  /** A call without a deadline of its own: long for a machine, short for a person who waits. */
  defaultDeadlineMs: 5_000,
  /** Longer work is an operation or a job, which survives the connection; a call does not. */
  maxDeadlineMs: 300_000,
  /** Clocks are corrected to server time, so this only has to cover the way and what is left of the drift. */
  freshnessSeconds: 30,
  /** The longest token we write is near 400 bytes; nothing longer is worth parsing before anybody is known. */
  connectTokenBytes: 1_024,
  /** Subjects share NATS's control line of 4 096 bytes with a reply subject and permissions that name them. */
  subjectBytes: 1_024,
  /** An error explains; data belongs in an answer. Larger details are left out before they are sent. */
  errorBytes: 65_536,
  /** More issues than a person reads; also bounds what a bad input makes the answering side do. */
  validationIssues: 100,
  /** W3C trace state may be 512 characters; longer is dropped, as the recommendation allows. */
  traceStateBytes: 512,
  /** A control or notice message is a few members; anything larger is not one. */
  controlBytes: 16_384,
  /** How far a cursor may go: it is an opaque bookmark, not a place to keep state. */
  cursorBytes: 1_024,
  /** Frames in flight before the reader must grant more: hides a 1 ms round trip at 60 000 frames/s. */
  streamCredits: 64,
  /** The most a reader may grant ahead, so that a peer cannot be made to buffer without bound. */
  maxStreamCredits: 65_536,
  /** Idle streams say that they live this often. */
  streamHeartbeatMs: 10_000,
  /** Heartbeats missed before either side takes the other for gone. */
  streamMissedHeartbeats: 3,
  /** The bytes of a chunk: those of a NATS object store, so that a chunk is stored and read as it travels. */
  transferChunkBytes: 131_072,
  /** What a peer may ask for: well below the 1 MiB that NATS takes in one message. */
  maxTransferChunkBytes: 524_288,
  /** Chunks a sender keeps until they are stored: 32 MiB, so that a service cannot make it hold a whole file. */
  maxTransferCredits: 256,
} as const;
