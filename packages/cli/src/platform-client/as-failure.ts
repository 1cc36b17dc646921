import { ConnectRefused } from "@trellis/client";
import {
  AuthError,
  OperationError,
  RemoteError,
  TransferError,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import { ManifestRefused, NotFound, Refused } from "@trellis/sdk";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** Turns every error a call can end in into what happened, why, and what to do next. */
export function asFailure(error: Error): CliFailure {
  if (error instanceof NotFound)
    return new CliFailure({ code: "not_found", what: error.message, exitCode: EXIT.notFound });
  if (error instanceof Refused) {
    return new CliFailure({ code: error.code, what: error.why, next: [error.next], exitCode: EXIT.refused });
  }
  if (error instanceof ManifestRefused) {
    return new CliFailure({
      code: "manifest_invalid",
      what: `the platform refused the contract: ${error.problems.length} problem${error.problems.length === 1 ? "" : "s"}`,
      why: error.problems.map(({ path, message }) => `${path || "/"}: ${message}`),
      exitCode: EXIT.no,
    });
  }
  if (error instanceof AuthError) {
    return new CliFailure({ code: error.reason, what: error.message, next: [error.hint], exitCode: EXIT.refused });
  }
  if (error instanceof ConnectRefused) {
    return new CliFailure({
      code: error.reason,
      what: "the platform does not let this person in",
      why: [error.message],
      next: ["trellis doctor looks into it"],
      exitCode: EXIT.refused,
    });
  }
  if (error instanceof TransferError)
    return new CliFailure({ code: error.code, what: error.message, next: [error.hint], exitCode: EXIT.no });
  if (error instanceof TransportError) {
    return new CliFailure({ code: error.code, what: error.message, next: [error.hint], exitCode: EXIT.unreachable });
  }
  if (error instanceof ValidationError) {
    return new CliFailure({
      code: "invalid_value",
      what: "the value does not match the contract",
      why: error.issues.map(({ path, message }) => `${path || "/"}: ${message}`),
      exitCode: EXIT.usage,
    });
  }
  if (error instanceof OperationError) {
    const exitCode = error.reason === "not_found" ? EXIT.notFound : EXIT.refused;
    return new CliFailure({ code: error.reason, what: error.message, exitCode });
  }
  if (error instanceof RemoteError) {
    // An error the service declared: its own type is the word programs look for.
    return new CliFailure({ code: error.type, what: error.message });
  }
  return new CliFailure({ code: "failed", what: error.message });
}
