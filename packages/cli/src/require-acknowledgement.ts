import { EXIT } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";

/** Ends a command that changes what a service keeps, unless somebody said that they know. */
export function requireAcknowledgement(acknowledged: true | undefined, service: string, again: string): void {
  if (acknowledged) return;
  throw new CliFailure({
    code: "acknowledge_required",
    what: `this changes what ${service} keeps, behind its back`,
    why: [
      "the service decided nothing and checked nothing; its watchers see the change, its callers may be surprised",
      "it is recorded under your name: trellis audit",
    ],
    next: [`if that is what you want: ${again} --acknowledge`],
    exitCode: EXIT.refused,
  });
}
