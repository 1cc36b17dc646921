import type { Registry } from "../registry/registry.ts";
import { AUDIT_OUTBOX } from "../tables.ts";
import type { AuditLog } from "./audit.ts";

/** Records moved by one transaction; each is a message of an atomic batch. */
const BATCH = 50;

/** How long to wait when the log or the registry does not answer. */
const RETRY_MS = 1_000;

/** Moves what is waiting to the log, oldest first; answers how many. A record is removed only after the log has it. */
export async function pumpAudit(registry: Registry, log: Pick<AuditLog, "append">): Promise<number> {
  const outbox = registry.table(AUDIT_OUTBOX);
  const waiting = [...outbox.all()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, BATCH);
  for (const { value } of waiting) await log.append(value);
  if (waiting.length > 0) await registry.transact((tx) => waiting.forEach(({ id }) => tx.delete(outbox, id)));
  return waiting.length;
}

/** Keeps the outbox empty until the signal aborts; run it while holding a lease. */
export async function runAuditPump(
  options: { readonly registry: Registry; readonly log: Pick<AuditLog, "append">; readonly onFailure?: (error: unknown) => void },
  signal: AbortSignal,
): Promise<void> {
  const { registry, log, onFailure } = options;
  let wake: () => void = () => undefined;
  let rung = false;
  const ring = (): void => {
    rung = true;
    wake();
  };
  const stop = registry.onChange((changes) => {
    if (changes.some((change) => change.table === AUDIT_OUTBOX.name && !change.deleted)) ring();
  });
  signal.addEventListener("abort", ring);
  try {
    while (!signal.aborted) {
      let pause = Number.POSITIVE_INFINITY;
      rung = false;
      try {
        while (!signal.aborted && (await pumpAudit(registry, log)) > 0);
      } catch (error) {
        onFailure?.(error);
        pause = RETRY_MS;
      }
      if (rung) continue;
      await new Promise<void>((resolve) => {
        const timer = Number.isFinite(pause) ? setTimeout(resolve, pause) : undefined;
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    stop();
    signal.removeEventListener("abort", ring);
  }
}
