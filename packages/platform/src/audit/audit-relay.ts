import { runSingleton } from "../leases/leases.ts";
import type { Leases } from "../leases/leases.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../registry/registry.ts";
import { AUDIT_OUTBOX } from "../tables.ts";
import type { AuditLog } from "./audit.ts";

/** Records moved by one transaction. */
const BATCH = 100;
/** Looks at the outbox this often even when nothing seems to have happened. */
const SWEEP_MS = 5_000;

/**
 * Moves audit records from the registry, where they were stored together with what they tell about, into the audit
 * log. A record is removed only after the log has it, and the log stores an id once: killed anywhere, it loses nothing.
 */
export function relayAudit(options: {
  readonly registry: Registry;
  readonly audit: AuditLog;
  readonly leases: Leases;
  readonly log: Log;
}): { close(): Promise<void> } {
  const { registry, audit, leases, log } = options;
  const outbox = registry.table(AUDIT_OUTBOX);
  let wake = (): void => undefined;
  const stop = registry.onChange((changes) => {
    if (changes.some(({ table, deleted }) => table === AUDIT_OUTBOX.name && !deleted)) wake();
  });

  const loop = runSingleton({
    leases,
    name: "audit-relay",
    log,
    run: async (signal) => {
      while (!signal.aborted) {
        const batch = [...outbox.all()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, BATCH);
        if (batch.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            const timer = setTimeout(resolve, SWEEP_MS);
            signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
            if (outbox.size > 0) resolve();
          });
          continue;
        }
        for (const { value } of batch) await audit.append(value);
        await registry.transact((tx) => {
          for (const { id } of batch) tx.delete(outbox, id);
        });
      }
    },
  });
  return {
    close: async () => {
      stop();
      const closing = loop.close();
      wake();
      await closing;
    },
  };
}
