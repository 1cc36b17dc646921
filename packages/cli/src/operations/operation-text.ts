import type { RpcOf } from "@trellis/contracts";
import type { core } from "@trellis/sdk/core";
import { printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

type Details = RpcOf<typeof core>["Trellis.Operations.Get"]["output"];
type Pause = Details["operation"]["pause"];

/** One operation for people. */
export function printOperation(terminal: Terminal, { operation: one, digest, history, ...values }: Details): void {
  const runs = one.attempt === 1 ? "1 run" : `${one.attempt} runs`;
  terminal.print(`${one.operation} ${one.id} of ${one.service}: ${one.state} after ${runs}`);
  terminal.print(`of        ${one.ownerName ?? one.owner}`);
  terminal.print(`accepted  ${one.acceptedAt}`);
  if (one.endedAt !== undefined) terminal.print(`ended     ${one.endedAt}`);
  if (one.deadlineAt !== undefined) terminal.print(`deadline  ${one.deadlineAt}`);
  if (one.pause !== undefined) terminal.print(`waits     ${whyPaused(one.pause)}`);
  if (one.problem !== undefined) terminal.print(`problem   ${one.problem.type}: ${one.problem.message}`);
  if (digest !== undefined) terminal.print(`contract  ${digest}`);
  for (const [label, value] of [
    ["input     ", values.input],
    ["progress  ", values.progress],
    ["output    ", values.output],
  ] as const)
    if (value !== undefined) terminal.print(`${label}${JSON.stringify(value)}`);
  printTable(
    terminal,
    ["WHEN", "WHAT", "RUN", "NAME", "DETAILS"],
    history.map(({ at, kind, attempt, name, message }) => [at, kind, String(attempt), name ?? "", message ?? ""]),
    "Nobody has begun it.",
  );
}

/** Why nobody runs an operation at the moment. */
export function whyPaused(pause: Pause): string {
  if (pause === undefined) return "";
  const until = pause.until === undefined ? "" : ` until ${pause.until}`;
  const reason = pause.reason === undefined ? "" : `: ${pause.reason}`;
  return `${WAITS[pause.for]}${until}${reason}`;
}

const WAITS: { readonly [F in NonNullable<Pause>["for"]]: string } = {
  time: "sleeps",
  signal: "waits for a signal",
  outside: "waits for somebody outside",
  retry: "tries again after a failure",
  upload: "waits for its file",
  replica: "waits for a replica that can go on with it",
};
