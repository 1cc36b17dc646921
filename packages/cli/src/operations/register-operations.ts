import { OPERATION_STATES, type OperationState } from "@trellis/protocol";
import { InvalidArgumentError } from "commander";
import type { RegisterCommand } from "../command.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { briefly } from "../quantities.ts";
import { requireDeployment } from "../service/require-deployment.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";
import { printOperation, whyPaused } from "./operation-text.ts";

interface ListOptions {
  readonly service?: string;
  readonly operation?: string;
  readonly state?: OperationState;
  readonly limit: number;
  readonly cursor?: string;
}

const EXAMPLE_ID = "billing_Zt0fW2mQ8cQm1vXh3kL9aA";

/** `trellis operations`: what services have accepted, what became of it, and doing something about it. */
export const registerOperations: RegisterCommand = (operations, context) => {
  const { terminal } = context;

  operations
    .command("list", { isDefault: true })
    .description("operations of all services, by service, the newest first")
    .option("--service <name>", "only of this service")
    .option("--operation <name>", "only these, such as Billing.Refund")
    .option("--state <state>", `only in this state: ${OPERATION_STATES.join(", ")}`, stateOf)
    .option("--limit <count>", "how many", wholeNumber(1, 500), 50)
    .option("--cursor <cursor>", "go on where the last page ended")
    .example("trellis operations list --service billing --state failed")
    .action((options: ListOptions) =>
      withOperator(context, async (operator) => {
        const page = await answerOf(operator.rpc.trellis.operationsList(options));
        if (page.operations.length === 0) await requireDeployment(operator, options.service);
        terminal.answer(page, () => {
          printTable(
            terminal,
            ["OPERATION", "ID", "SERVICE", "STATE", "RUNS", "OF", "CHANGED", "WHY"],
            page.operations.map((one) => [
              one.operation,
              one.id,
              one.service,
              one.state,
              String(one.attempt),
              one.ownerName ?? one.owner,
              one.updatedAt,
              briefly(one.problem?.message ?? whyPaused(one.pause)),
            ]),
            page.nextCursor === undefined
              ? "No operations here. A caller starts one: trellis start --help"
              : "None yet.",
          );
          if (page.nextCursor !== undefined) terminal.note(`more: trellis operations list --cursor ${page.nextCursor}`);
        });
      }),
    );

  operations
    .command("show")
    .description("one operation: its input, what happened, what came of it")
    .argument("<operation>", "logical name, such as Billing.Refund")
    .argument("<id>", "its id")
    .example(`trellis operations show Billing.Refund ${EXAMPLE_ID}`)
    .action((operation: string, id: string) =>
      withOperator(context, async (operator) => {
        const details = await answerOf(operator.rpc.trellis.operationsGet({ operation, id }));
        terminal.answer(details, () => printOperation(terminal, details));
      }),
    );

  operations
    .command("cancel")
    .description("cancel one that nobody runs; the handler of one that runs is told")
    .argument("<operation>", "logical name, such as Billing.Refund")
    .argument("<id>", "its id")
    .option("--reason <text>", "why, for whoever reads its history")
    .example(`trellis operations cancel Billing.Refund ${EXAMPLE_ID} --reason "ordered twice"`)
    .action((operation: string, id: string, options: { reason?: string }) =>
      withOperator(context, async (operator) => {
        const acted = await answerOf(operator.rpc.trellis.operationsCancel({ operation, id, ...options }));
        terminal.answer(acted, () =>
          terminal.print(
            acted.state === "cancelled"
              ? `${operation} ${id} of ${acted.service} is cancelled`
              : `${operation} ${id} of ${acted.service} is running; its handler was asked to end it`,
          ),
        );
      }),
    );

  operations
    .command("retry")
    .description("let one that failed or was cancelled begin again, with the input it had")
    .argument("<operation>", "logical name, such as Billing.Refund")
    .argument("<id>", "its id")
    .example(`trellis operations retry Billing.Refund ${EXAMPLE_ID}`)
    .action((operation: string, id: string) =>
      withOperator(context, async (operator) => {
        const acted = await answerOf(operator.rpc.trellis.operationsRetry({ operation, id }));
        terminal.answer(acted, () => terminal.print(`${operation} ${id} of ${acted.service} begins again`));
      }),
    );
};

function stateOf(written: string): OperationState {
  const state = OPERATION_STATES.find((each) => each === written);
  if (state === undefined) throw new InvalidArgumentError(`An operation is ${OPERATION_STATES.join(", ")}.`);
  return state;
}
