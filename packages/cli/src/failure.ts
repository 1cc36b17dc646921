import { EXIT, type ExitCode } from "./exit-codes.ts";

export interface FailureParts {
  /** What happened, in one sentence. */
  readonly what: string;
  /** Why, as lines: each problem on its own. */
  readonly why?: readonly string[];
  /** What to do next, as lines a person can follow or paste. */
  readonly next?: readonly string[];
  readonly exitCode?: ExitCode;
  /** Stable word for programs. */
  readonly code: string;
}

/** How every command ends when it cannot do what was asked. */
export class CliFailure extends Error {
  readonly parts: FailureParts;
  readonly exitCode: ExitCode;

  constructor(parts: FailureParts) {
    super(parts.what);
    this.name = "CliFailure";
    this.parts = parts;
    this.exitCode = parts.exitCode ?? EXIT.no;
  }
}
