import { TrellisClient } from "@trellis/client/node";
import type { CommandContext } from "../command.ts";
import { asFailure } from "./answer.ts";
import { operatorContract } from "./operator-contract.ts";

/** A connected operator: `rpc.auth.…` and `rpc.core.…` as the signed-in person. */
export type Operator = Awaited<ReturnType<typeof connect>>;

/** Connects as the person of this folder's platform (or of `TRELLIS_URL`), runs the work, and leaves nothing open. */
export async function withOperator<T>(context: CommandContext, work: (operator: Operator) => Promise<T>): Promise<T> {
  const operator = await connect(context);
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}

function connect(context: CommandContext) {
  return TrellisClient.connect({ contract: operatorContract, cwd: context.cwd, env: context.env, signal: context.signal }).catch(
    (error: unknown) => {
      throw error instanceof Error ? asFailure(error) : error;
    },
  );
}
