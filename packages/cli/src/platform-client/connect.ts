import { TrellisClient } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { asFailure } from "./as-failure.ts";
import { reachPlatform } from "./reach-platform.ts";

/** Longer than a restart of the platform takes, and shorter than a person's patience. */
const CONNECT_MS = 30_000;

/** Connects as the person of this folder's platform (or of `TRELLIS_URL`), runs the work, and leaves no session behind. */
export async function withClient<const C extends AnyContract, T>(
  context: CommandContext,
  contract: C,
  work: (client: TrellisClient<C>) => Promise<T>,
  patienceMs = CONNECT_MS,
): Promise<T> {
  const { enrol } = await reachPlatform(context);
  const silence = new AbortController();
  const client = await context.terminal.during("Connecting…", (say) =>
    connect(context, contract, { say, silence: silence.signal, patienceMs }),
  );
  try {
    return await work(client);
  } finally {
    silence.abort();
    // A session of this run has no use after it; a registered key keeps its own.
    if (enrol !== undefined) await logOut(client);
    await client.close();
  }
}

interface Manner {
  readonly say: (text: string) => void;
  /** From then on the connection is ours to end, and what happens to it is no news. */
  readonly silence: AbortSignal;
  readonly patienceMs: number;
}

async function connect<const C extends AnyContract>(
  context: CommandContext,
  contract: C,
  { say, silence, patienceMs }: Manner,
): Promise<TrellisClient<C>> {
  const { terminal, cwd, env } = context;
  const patience = AbortSignal.timeout(patienceMs);
  let last = "";
  const onNotice = (message: string): void => {
    last = message;
    if (silence.aborted) return;
    if (terminal.isInteractive) say(message);
    else terminal.note(message);
  };
  try {
    return await TrellisClient.connect({
      contract,
      cwd,
      env,
      onNotice,
      signal: AbortSignal.any([context.signal, patience]),
    });
  } catch (error) {
    if (patience.aborted) {
      throw new CliFailure({
        code: "unreachable",
        what: `there was no connection within ${patienceMs / 1000} s`,
        why: last === "" ? [] : [last],
        next: ["trellis doctor looks into it"],
        exitCode: EXIT.unreachable,
      });
    }
    throw error instanceof Error ? asFailure(error) : error;
  }
}

/** The platform cuts the connection of a session that ended, often before its answer is here; nothing may reopen it. */
async function logOut(client: Pick<TrellisClient<AnyContract>, "connection" | "request">): Promise<void> {
  const cut = new AbortController();
  client.connection.onChange(() => cut.abort());
  // A platform that cannot be told now ends the session when it has been idle for long enough.
  await client.request("Auth.Sessions.Logout", {}, { timeoutMs: 1_000, signal: cut.signal });
}
