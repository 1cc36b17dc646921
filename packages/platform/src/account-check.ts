import type { NatsConnection } from "@nats-io/nats-core";
import { type ControlPlaneKeys, missingSubjects } from "@trellis/nats";
import type { Log } from "./log.ts";

const TIMEOUT_MS = 5_000;

/**
 * Says when the NATS servers run with accounts that an older version made: what newer surfaces need would be refused there,
 * and nobody would know why. Only a warning, since everything older goes on working.
 */
export async function warnOfOldAccounts(sys: NatsConnection, keys: ControlPlaneKeys, log: Log): Promise<void> {
  for (const name of ["TRELLIS", "DATA"] as const) {
    try {
      const answer = await sys.request(`$SYS.REQ.ACCOUNT.${keys.accounts[name].id}.CLAIMS.LOOKUP`, "", {
        timeout: TIMEOUT_MS,
      });
      const missing = missingSubjects(name, answer.string());
      if (missing.length === 0) continue;
      log.warn(
        "the NATS servers run with an account that an older version made; issue it anew: trellis nats config <folder> --upgrade",
        { account: name, missing },
      );
    } catch (error) {
      log.warn("an account could not be compared with what this version needs", {
        account: name,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
