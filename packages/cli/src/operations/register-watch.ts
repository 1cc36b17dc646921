import { isOperationId } from "@trellis/protocol";
import { InvalidArgumentError } from "commander";
import type { RegisterCommand } from "../command.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { answerOf } from "../platform-client/answer.ts";
import { followOperation } from "./follow-operation.ts";

/** `trellis watch`: an operation of the signed-in person, wherever it was started, followed to its end. */
export const registerWatch: RegisterCommand = (command, context) => {
  command
    .argument("<operation>", "logical name, such as Billing.Refund")
    .argument("<id>", "its id, as trellis start printed it", idOf)
    .option("--contract <id>", "when several contracts have the name")
    .example("trellis watch Billing.Refund billing_Zt0fW2mQ8cQm1vXh3kL9aA")
    .action(async (name: string, id: string, options: { contract?: string }) => {
      const [{ findSurface }, { contractFor }, { withClient }] = await Promise.all([
        import("../surface/find-surface.ts"),
        import("../surface/contract-for.ts"),
        import("../platform-client/connect.ts"),
      ]);
      const owner = await withOperator(context, (operator) =>
        findSurface(operator, "operations", name, options.contract),
      );
      await withClient(context, contractFor("operations", owner, name), async (client) => {
        const one = client.operation(name).resume(id);
        // Whoever follows waits for a deployment that is away; one that never had it would be waited for without end.
        await answerOf(one.get({ signal: context.signal }));
        await followOperation(context, one);
      });
    });
};

function idOf(written: string): string {
  if (isOperationId(written)) return written;
  throw new InvalidArgumentError("An id is a deployment and a text, billing_Zt0fW2mQ8cQm1vXh3kL9aA.");
}
