import { setTimeout as wait } from "node:timers/promises";
import { AuthError } from "@trellis/protocol";
import { frame, SILENT_LOG, type TrellisService } from "@trellis/server";
import type { Log } from "@trellis/server";
import type { TestPlatform, TestServiceOptions } from "../../../src/index.ts";
import { ticker } from "./ticker-contract.ts";

/** What the handlers of one replica went through. */
export interface Counted {
  /** Labels of the readings that have begun and not ended. */
  readonly open: Map<string, number>;
  /** Ticks made, whoever took them, by label. */
  readonly made: Map<string, number>;
  /** Labels of readings whose signal was aborted, and when. */
  readonly aborted: Map<string, number>;
  /** Labels of readings whose generator was finished by `return` or by itself. */
  readonly finished: Map<string, number>;
}

/** Registers handlers that count from the cursor on. */
export function count(service: TrellisService<typeof ticker>): Counted {
  const counted: Counted = { open: new Map(), made: new Map(), aborted: new Map(), finished: new Map() };
  service.handle.feed.ticker.count(async function* ({ input, cursor, signal }) {
    const { everyMs, upTo = Number.POSITIVE_INFINITY, cursors = false, pad = 0, label = "" } = input;
    const add = (map: Map<string, number>, by: number): void => void map.set(label, (map.get(label) ?? 0) + by);
    signal.addEventListener("abort", () => counted.aborted.set(label, performance.now()));
    add(counted.open, 1);
    const filling = pad === 0 ? {} : { pad: "x".repeat(pad) };
    try {
      for (let n = cursor === undefined ? 1 : Number(cursor) + 1; n <= upTo; n += 1) {
        if (everyMs > 0) await wait(everyMs, undefined, { signal });
        add(counted.made, 1);
        const tick = { n, pid: process.pid, ...filling };
        yield cursors ? frame(tick, String(n)) : tick;
      }
    } finally {
      add(counted.open, -1);
      add(counted.finished, 1);
    }
  });
  service.handle.feed.ticker.odd(async function* ({ input }) {
    const { how } = input;
    if (how === "refuses") throw new AuthError("insufficient_permissions", { message: "Not you." });
    yield { n: 1, pid: process.pid };
    if (how === "throws") throw new Error("a secret of the service");
    // What a handler in JavaScript may do.
    if (how === "garbage") yield JSON.parse('{"n":"one","pid":1}');
  });
  return counted;
}

/** A replica of the ticker in this process. */
export async function startTicker(
  platform: TestPlatform,
  options: TestServiceOptions<undefined> = {},
): Promise<{ readonly service: TrellisService<typeof ticker>; readonly counted: Counted }> {
  const service = await platform.connectService(ticker, { name: "ticker", log: SILENT_LOG, ...options });
  const counted = count(service);
  await service.start();
  return { service, counted };
}

/** A log that keeps its lines. */
export function keptLog(): {
  readonly log: Log;
  readonly lines: { readonly message: string; readonly fields: object }[];
} {
  const lines: { readonly message: string; readonly fields: object }[] = [];
  const keep = (message: string, fields: object = {}): void => void lines.push({ message, fields });
  const log: Log = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  return { log, lines };
}
