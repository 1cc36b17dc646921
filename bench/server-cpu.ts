import { readdir, readFile } from "node:fs/promises";

/** Ticks the kernel counts processor time in; 100 a second on every Linux there is. */
const TICK_MS = 10;

/** Finds the nats-server whose command line names this text; what it returns says how much processor time that has used. */
export async function natsServerCpu(named: string): Promise<() => Promise<number>> {
  const pid = await pidOf(named);
  return async () => {
    if (pid === undefined) return Number.NaN;
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything; user and system time are the 14th and 15th field.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  };
}

/** Linux only: elsewhere nothing is found. */
async function pidOf(named: string): Promise<string | undefined> {
  for (const entry of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue;
    const read = (file: string) => readFile(`/proc/${entry}/${file}`, "utf8").catch(() => "");
    if ((await read("comm")).trim() === "nats-server" && (await read("cmdline")).includes(named)) return entry;
  }
  return undefined;
}
