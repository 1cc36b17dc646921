/** JetStream answered, and the answer is no. */
export class StreamRefused extends Error {
  override readonly name = "StreamRefused";
  readonly code: number;
  readonly errCode: number;

  constructor(
    what: string,
    error: { readonly code?: unknown; readonly err_code?: unknown; readonly description?: unknown },
  ) {
    super(
      `JetStream refused ${what}: ${typeof error.description === "string" ? error.description : "no reason given"}`,
    );
    this.code = typeof error.code === "number" ? error.code : 0;
    this.errCode = typeof error.err_code === "number" ? error.err_code : 0;
  }

  /** An expectation did not hold: somebody else wrote first. */
  get isConflict(): boolean {
    return this.errCode === 10071;
  }

  /** The stream, the account or the disk has no room. */
  get isFull(): boolean {
    return FULL.has(this.errCode);
  }

  get isTooLarge(): boolean {
    return this.errCode === 10054 || this.errCode === 10097;
  }

  /**
   * The servers are electing, starting or overloaded, or something of the same subject or message id is on its way to a majority,
   * perhaps an earlier try of ours: asked again in a moment, they will know.
   */
  get isPassing(): boolean {
    return PASSING.has(this.errCode) || (this.errCode === 0 && this.code === 503);
  }
}

/** Account, memory, storage, stream: the codes differ by which limit was met first. */
const FULL: ReadonlySet<number> = new Set([10002, 10023, 10028, 10047, 10077]);
/** Temporarily unavailable, no meta leader, stream offline, too many requests; a message id, a subject that is being stored. */
const PASSING: ReadonlySet<number> = new Set([10008, 10009, 10118, 10167, 10173, 10158, 10164]);
