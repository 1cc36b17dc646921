/// <reference types="node" />
import { isMainThread } from "node:worker_threads";

type ErrorClass = abstract new (...args: never) => Error;

const kinds = new Set<ErrorClass>();
const reasons = new WeakSet<Error>();
let told = "";
let listening = false;

/** Tells a person what is waited for or what went wrong. */
export function tell(message: string): void {
  told = message;
  process.stderr.write(`trellis: ${message}\n`);
}

/**
 * Errors of these classes are for whoever runs the program: their message says what to do, and where they were thrown
 * helps nobody. When one ends the process, the message alone is printed and the exit code is 1. A program that catches
 * them, or listens for uncaught exceptions itself, notices no difference; `TRELLIS_DEBUG=1` brings the stack back.
 */
export function tellPlainly(...classes: readonly ErrorClass[]): void {
  for (const kind of classes) kinds.add(kind);
  // The error of a worker thread goes to the thread that started it.
  if (listening || !isMainThread) return;
  listening = true;
  process.on("uncaughtExceptionMonitor", endWithMessage);
}

/** The same for one error of a class that is not always the last word of a program. */
export function tellThisPlainly(error: unknown): void {
  if (error instanceof Error) reasons.add(error);
}

function endWithMessage(error: unknown): void {
  if (!(error instanceof Error) || !isPlain(error)) return;
  if (process.listenerCount("uncaughtException") > 0 || process.hasUncaughtExceptionCaptureCallback()) return;
  if (process.env["TRELLIS_DEBUG"] !== undefined) return;
  if (error.message !== told) tell(error.message);
  process.exit(1);
}

function isPlain(error: Error): boolean {
  return reasons.has(error) || [...kinds].some((kind) => error instanceof kind);
}
