import type { jobs } from "@trellis/sdk/jobs";
import type { RpcOf } from "@trellis/contracts";
import type { Terminal } from "../terminal.ts";
import { printTable } from "../table.ts";

type Details = RpcOf<typeof jobs>["Jobs.Get"]["output"];

/** One job for people. */
export function printJob(terminal: Terminal, { job, payload, result, history, more }: Details): void {
  terminal.print(
    `${job.id} of ${job.service} ${job.queue}: ${job.state} after ${job.attempt === 1 ? "1 run" : `${job.attempt} runs`}`,
  );
  if (job.key !== undefined) terminal.print(`key       ${job.key}`);
  if (job.group !== undefined) terminal.print(`group     ${job.group}`);
  if (job.schedule !== undefined) terminal.print(`schedule  ${job.schedule}`);
  if (job.deadlineAt !== undefined) terminal.print(`deadline  ${job.deadlineAt}`);
  if (job.notBefore !== undefined) terminal.print(`next run  ${job.notBefore}`);
  if (job.problem !== undefined) terminal.print(`problem   ${job.problem.type}: ${job.problem.message}`);
  terminal.print(`payload   ${JSON.stringify(payload)}`);
  if (result !== undefined) terminal.print(`result    ${JSON.stringify(result)}`);
  printTable(
    terminal,
    ["WHEN", "WHAT", "RUN", "DETAILS"],
    history.map((entry) => [
      entry.at,
      entry.event,
      entry.attempt === undefined ? "" : String(entry.attempt),
      detailsOf(entry),
    ]),
    "",
  );
  if (more) terminal.note("there is more: --json shows what was read, the log of the service has the rest");
}

function detailsOf({ message, progress, problem, by, reason, worker }: Details["history"][number]): string {
  if (message !== undefined) return message;
  if (progress !== undefined) return JSON.stringify(progress);
  if (problem !== undefined) return `${problem.type}: ${problem.message}`;
  if (by !== undefined) return reason === undefined ? `by ${by}` : `by ${by}: ${reason}`;
  return worker === undefined ? "" : `worker ${worker}`;
}
