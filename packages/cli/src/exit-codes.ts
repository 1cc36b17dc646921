/** What the exit code of `trellis` means; documented in docs/reference/cli.md. */
export const EXIT = {
  ok: 0,
  /** The question was answered and the answer is no: a check failed, a diff is breaking, a service is not ready. */
  no: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** The platform refused: missing capability, undecided plan, wrong key. */
  refused: 3,
  /** What was named does not exist. */
  notFound: 4,
  /** Nobody answered: no platform, no NATS, a time-out. Trying again may help. */
  unreachable: 5,
  /** A bug in trellis itself. */
  unexpected: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
