import type { RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";

/** `trellis why`: the rules behind a permission, or its absence. */
export const registerWhy: RegisterCommand = (command, context) => {
  const { terminal } = context;
  command
    .argument("<session>", "session key, or name of a service")
    .argument("<subject>", "a NATS subject")
    .example("trellis why orders rpc.v1.Orders.Get")
    .action((session: string, subject: string) =>
      withOperator(context, async (operator) => {
        const answer = await answerOf(operator.rpc.auth.explain({ session, subject }));
        terminal.answer(answer, () => {
          terminal.print(answer.message);
          for (const rule of answer.rules) {
            const queue = rule.queue === undefined ? "" : ` (queue ${rule.queue})`;
            terminal.print(`  ${rule.direction} ${rule.subject}${queue}: ${rule.reason}`);
          }
        });
        if (!answer.publish && !answer.subscribe) context.setExitCode(EXIT.no);
      }),
    );
};
