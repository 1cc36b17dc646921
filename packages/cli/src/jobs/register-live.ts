import { setTimeout } from "node:timers/promises";
import type { CliCommand } from "../cli-command.ts";
import type { CommandContext } from "../command.ts";
import { asFailure } from "../platform-client/as-failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withOperator } from "../platform-client/connect-operator.ts";
import { printTable } from "../table.ts";
import { wholeNumber } from "../whole-number.ts";

interface Where {
  readonly service?: string;
  readonly queue?: string;
}

/** `jobs watch` and `jobs top`: what happens now, until Ctrl-C. */
export function registerLive(jobs: CliCommand, context: CommandContext): void {
  const { terminal, signal } = context;

  jobs
    .command("watch")
    .description("every change of a job as it happens, until Ctrl-C")
    .option("--service <name>", "only of this service")
    .option("--queue <name>", "only of this queue")
    .option("--job <id>", "only this one")
    .option("--limit <changes>", "stop after so many", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .example("trellis jobs watch --service mailer")
    .action(({ limit = Number.POSITIVE_INFINITY, job, ...where }: Where & { job?: string; limit?: number }) =>
      withOperator(context, async (operator) => {
        const changes = operator.feed.jobs.watch({ ...where, ...(job === undefined ? {} : { id: job }) }, { signal });
        let seen = 0;
        try {
          for await (const change of changes) {
            terminal.answer(change, () =>
              terminal.print(
                [change.updatedAt, change.service, change.queue, change.id, change.state, change.problem?.message ?? ""]
                  .join("  ")
                  .trimEnd(),
              ),
            );
            seen += 1;
            if (seen >= limit) return;
          }
        } catch (error) {
          // Ctrl-C is how one stops looking.
          if (signal.aborted) return;
          throw error instanceof Error ? asFailure(error) : error;
        }
      }),
    );

  jobs
    .command("top")
    .description("queues and who works on them, again and again until Ctrl-C")
    .option("--service <name>", "only of this service")
    .option("--every <ms>", "how often to look", wholeNumber(100, 3_600_000), 1_000)
    .option("--times <count>", "stop after so many looks", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .example("trellis jobs top")
    .action(({ every, times = Number.POSITIVE_INFINITY, service }: Where & { every: number; times?: number }) =>
      withOperator(context, async (operator) => {
        for (let look = 1; ; look += 1) {
          const page = await answerOf(operator.rpc.jobs.listServices(service === undefined ? {} : { service }));
          terminal.answer(page, () => {
            if (look > 1) terminal.clear();
            printTable(
              terminal,
              ["SERVICE", "QUEUE", "WAITING", "RUNNING", "RETRY", "DEAD", "DONE", "WORKERS"],
              page.queues.map(({ counts, workers, ...queue }) => [
                queue.service,
                queue.queue,
                String(counts.pending),
                String(counts.active),
                String(counts.retry),
                String(counts.dead),
                String(counts.completed),
                workers.map((each) => `${each.worker} ${each.running}/${each.concurrency}`).join(", ") || "nobody",
              ]),
              "No service has queues or jobs.",
            );
          });
          if (look >= times) return;
          await setTimeout(every, undefined, { signal }).catch(() => undefined);
          if (signal.aborted) return;
        }
      }),
    );
}
