/** What the exit code of `trellis` means. */
export const EXIT = {
  ok: 0,
  no: 1,
  usage: 2,
  refused: 3,
  notFound: 4,
  unreachable: 5,
  unexpected: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The same for people; the reference prints it. */
export const EXIT_CODES: readonly { readonly code: ExitCode; readonly meaning: string }[] = [
  { code: EXIT.ok, meaning: "Done." },
  { code: EXIT.no, meaning: "The answer is no: a check failed, a diff breaks somebody, a service is failing." },
  {
    code: EXIT.usage,
    meaning: "The command line itself is wrong: an unknown command or option, input that is not JSON.",
  },
  {
    code: EXIT.refused,
    meaning: "The platform refused: a capability is missing, a plan is undecided, a key is unknown.",
  },
  { code: EXIT.notFound, meaning: "What was named does not exist." },
  {
    code: EXIT.unreachable,
    meaning: "Nobody answered: no platform, no NATS, no service, out of time. Trying again may help.",
  },
  { code: EXIT.unexpected, meaning: "A bug in trellis itself." },
  { code: EXIT.interrupted, meaning: "Stopped by Ctrl-C or a signal before it was done." },
];
