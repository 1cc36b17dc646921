import { readdirSync, readFileSync } from "node:fs";

/** Of Linux everywhere: in this unit /proc counts. */
const MS_A_TICK = 10;

/** Processor time of a process and of all its children, those that are gone too; not a number where the system does not tell. */
export function cpuMsOf(pid: number): number {
  const own = read(pid);
  if (own === undefined) return Number.NaN;
  const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && read(Number(name))?.parent === pid);
  return children.reduce((sum, child) => sum + (read(Number(child))?.ms ?? 0), own.ms);
}

function read(pid: number): { readonly parent: number; readonly ms: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in brackets, may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [, parent] = fields;
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(parent), ms: ticks * MS_A_TICK };
  } catch {
    return undefined;
  }
}
