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
): Promise<T> {
  const { enrol } = await reachPlatform(context);
  const client = await context.terminal.during("Connecting…", (say) => connect(context, contract, say));
  try {
    return await work(client);
  } finally {
    // A session of this run has no use after it; a registered key keeps its own.
    if (enrol !== undefined) await logOut(client);
    await client.close();
  }
}

async function connect<const C extends AnyContract>(
  context: CommandContext,
  contract: C,
  say: (text: string) => void,
): Promise<TrellisClient<C>> {
  const { terminal, cwd, env } = context;
  const patience = AbortSignal.timeout(CONNECT_MS);
  let last = "";
  const onNotice = (message: string): void => {
    last = message;
    if (terminal.isInteractive) say(message);
    else terminal.note(message);
  };
  try {
    return await TrellisClient.connect({ contract, cwd, env, onNotice, signal: AbortSignal.any([context.signal, patience]) });
  } catch (error) {
    if (patience.aborted) {
      throw new CliFailure({
        code: "unreachable",
        what: `there was no connection within ${CONNECT_MS / 1000} s`,
        why: last === "" ? [] : [last],
        next: ["trellis doctor looks into it"],
        exitCode: EXIT.unreachable,
      });
    }
    throw error instanceof Error ? asFailure(error) : error;
  }
}

async function logOut(client: TrellisClient<AnyContract>): Promise<void> {
  // A platform that cannot be told now ends the session when it has been idle for long enough.
  await client.request("Auth.Sessions.Logout", {}, { timeoutMs: 1_000 });
}
