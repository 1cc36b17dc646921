import { ValidationError } from "@trellis/protocol";
import type { CliCommand } from "../cli-command.ts";
import type { CommandContext, RegisterCommand } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { everyPage } from "../platform-client/every-page.ts";
import { ageText, byteText } from "../quantities.ts";
import { readInput } from "../read-input.ts";
import { requireAcknowledgement } from "../require-acknowledgement.ts";
import { requireDeployment } from "../service/require-deployment.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";
import { printChange } from "./change-text.ts";

const PUT_EXAMPLE = `trellis kv put orders orders o_1 '{"id":"o_1","status":"placed"}' --revision 7 --acknowledge`;

/** `trellis kv`: looking into the buckets of services, and changing them when it must be. */
export const registerKv: RegisterCommand = (kv, context) => {
  registerReads(kv, context);
  registerWatch(kv, context);
  registerWrites(kv, context);
};

function registerReads(kv: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  kv.command("buckets", { isDefault: true })
    .description("every bucket, of which service, and what is in it")
    .argument("[service]", "only of this deployment")
    .example("trellis kv buckets orders")
    .action((deployment: string | undefined) =>
      withOperator(context, async (operator) => {
        const { listResources } = await import("../service/resources.ts");
        const found = await listResources(operator, {
          kind: "kv",
          ...(deployment === undefined ? {} : { deployment }),
        });
        if (found.length === 0) await requireDeployment(operator, deployment);
        terminal.answer(found, () =>
          printTable(
            terminal,
            ["SERVICE", "BUCKET", "STATE", "KEYS", "SIZE", "CHANGED"],
            found.map((each) => [
              each.deployment,
              each.alias,
              each.state,
              String(each.entries),
              byteText(each.bytes),
              each.changedAt === undefined ? "never" : `${ageText(each.changedAt)} ago`,
            ]),
            deployment === undefined ? "No service keeps a bucket." : `${deployment} keeps no bucket.`,
          ),
        );
      }),
    );

  kv.command("keys")
    .description("the keys that have a value")
    .argument("<service>")
    .argument("<bucket>", "what its contract calls it")
    .argument("[filter]", "* stands for one token, a last > for all that follow")
    .example("trellis kv keys orders orders 'eu.>'")
    .action((deployment: string, bucket: string, filter: string | undefined) =>
      withOperator(context, async (operator) => {
        const keys = await everyPage(async (from) => {
          const page = await answerOf(
            operator.rpc.trellis.kvKeys({ deployment, bucket, ...from, ...(filter === undefined ? {} : { filter }) }),
          );
          return { items: page.keys, nextCursor: page.nextCursor };
        });
        terminal.answer(keys, () => {
          for (const key of keys) terminal.print(key);
          if (keys.length === 0)
            terminal.note(
              `${bucket} of ${deployment} has no ${filter === undefined ? "key" : `key that fits ${filter}`}`,
            );
        });
      }),
    );

  kv.command("get")
    .description("one value; its revision goes to standard error")
    .argument("<service>")
    .argument("<bucket>")
    .argument("<key>")
    .example("trellis kv get orders orders o_1")
    .action((deployment: string, bucket: string, key: string) =>
      withOperator(context, async (operator) => {
        const entry = await answerOf(operator.rpc.trellis.kvGet({ deployment, bucket, key }));
        if (entry.problem !== undefined) {
          throw new CliFailure({ code: "not_shown", what: `${key} cannot be shown`, why: [entry.problem] });
        }
        terminal.answer(entry, () => {
          terminal.note(`revision ${entry.revision}, stored ${entry.at}`);
          terminal.print(JSON.stringify(entry.value, null, 2));
        });
      }),
    );

  kv.command("history")
    .description("what is kept of one key, oldest first")
    .argument("<service>")
    .argument("<bucket>")
    .argument("<key>")
    .example("trellis kv history orders orders o_1")
    .action((deployment: string, bucket: string, key: string) =>
      withOperator(context, async (operator) => {
        const { changes } = await answerOf(operator.rpc.trellis.kvHistory({ deployment, bucket, key }));
        terminal.answer(changes, () => {
          for (const change of changes) printChange(terminal, change);
          if (changes.length === 0) terminal.note(`nothing is kept of ${key}`);
        });
      }),
    );
}

function registerWatch(kv: CliCommand, context: CommandContext): void {
  const { terminal } = context;
  kv.command("watch")
    .description("the present values, then every change, until Ctrl-C")
    .argument("<service>")
    .argument("<bucket>")
    .argument("[filter]", "* stands for one token, a last > for all that follow")
    .option("--limit <changes>", "stop after so many", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .example("trellis kv watch orders orders")
    .action((deployment: string, bucket: string, filter: string | undefined, options: { limit?: number }) =>
      withOperator(context, async (operator) => {
        const { limit = Number.POSITIVE_INFINITY } = options;
        const reading = operator
          .feed("Trellis.Kv.Watch")
          .input({ deployment, bucket, ...(filter === undefined ? {} : { filter }) })
          // What changed while it was closed is among the present values of the next reading.
          .subscribe({ signal: context.signal, reopen: true, onReopen: (why) => terminal.note(why.message) });
        let told = 0;
        try {
          for await (const change of reading) {
            if (terminal.json) terminal.print(JSON.stringify(change));
            else printChange(terminal, change);
            told += 1;
            if (told >= limit) return;
          }
        } catch (error) {
          if (context.signal.aborted) return;
          const { asFailure } = await import("../platform-client/as-failure.ts");
          const noBucket = error instanceof ValidationError && error.issues.find(({ path }) => path === "/bucket");
          if (noBucket) {
            throw new CliFailure({ code: "not_found", what: noBucket.message, exitCode: EXIT.notFound });
          }
          throw error instanceof Error ? asFailure(error) : error;
        }
      }),
    );
}

function registerWrites(kv: CliCommand, context: CommandContext): void {
  const { terminal } = context;

  kv.command("put")
    .description("store a value behind the service's back; checked against its contract, and audited")
    .argument("<service>")
    .argument("<bucket>")
    .argument("<key>")
    .argument("<value>", "JSON; - reads it from standard input")
    .option(
      "--revision <number>",
      "only if the key is still there; 0: only if it has no value",
      wholeNumber(0, 2 ** 53),
    )
    .option("--acknowledge", "I know that the service does not expect this")
    .example(PUT_EXAMPLE)
    .action(
      async (
        deployment: string,
        bucket: string,
        key: string,
        written: string,
        options: { revision?: number; acknowledge?: true },
      ) => {
        requireAcknowledgement(options.acknowledge, deployment, `trellis kv put ${deployment} ${bucket} ${key} …`);
        const value = await readInput(context, written, PUT_EXAMPLE);
        const { revision } = options;
        await withOperator(context, async (operator) => {
          const stored = await answerOf(
            operator.rpc.trellis.kvPut({
              deployment,
              bucket,
              key,
              value,
              ...(revision === undefined ? {} : { revision }),
            }),
          );
          terminal.answer(stored, () => terminal.print(`stored ${key} at revision ${stored.revision}`));
        });
      },
    );

  kv.command("delete")
    .description("end a key behind the service's back; audited")
    .argument("<service>")
    .argument("<bucket>")
    .argument("<key>")
    .option("--revision <number>", "only if the key is still there", wholeNumber(1, 2 ** 53))
    .option("--acknowledge", "I know that the service does not expect this")
    .example("trellis kv delete orders orders o_1 --acknowledge")
    .action(
      async (deployment: string, bucket: string, key: string, options: { revision?: number; acknowledge?: true }) => {
        requireAcknowledgement(options.acknowledge, deployment, `trellis kv delete ${deployment} ${bucket} ${key}`);
        const { revision } = options;
        await withOperator(context, async (operator) => {
          const ended = await answerOf(
            operator.rpc.trellis.kvDelete({ deployment, bucket, key, ...(revision === undefined ? {} : { revision }) }),
          );
          terminal.answer(ended, () => terminal.print(`deleted ${key}`));
        });
      },
    );
}
