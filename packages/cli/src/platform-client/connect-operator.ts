import type { TrellisClient } from "@trellis/client/node";
import type { CommandContext } from "../command.ts";
import type { operatorContract } from "./operator-contract.ts";

/** A connected operator: `rpc.auth.…` and `rpc.trellis.…` as the signed-in person. */
export type Operator = TrellisClient<typeof operatorContract>;

/** Runs the work as the operator. What it needs is loaded here, so that help and completion do without it. */
export async function withOperator<T>(context: CommandContext, work: (operator: Operator) => Promise<T>): Promise<T> {
  const [{ withClient }, { operatorContract }] = await Promise.all([
    import("./connect.ts"),
    import("./operator-contract.ts"),
  ]);
  return withClient(context, operatorContract, work);
}
