import type { NatsConnection } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import type { ControlContext } from "../authority/context.ts";
import type { Connections } from "../callout/connections.ts";
import type { Config } from "../config/load-config.ts";
import type { AgentSessions } from "../identity/agent-sessions.ts";
import { RequestRate } from "./request-rate.ts";
import { openStateBucket } from "./state-bucket.ts";
import type { StateParts } from "./state-handlers.ts";
import type { StateLimits } from "./state-limits.ts";

/** Opens the store of all state, making it when there is none. */
export async function openState(options: {
  readonly context: ControlContext;
  readonly connections: Pick<Connections, "digestOf">;
  readonly sessions: Pick<AgentSessions, "get">;
  readonly link: Link;
  readonly data: NatsConnection;
  readonly replicas: 1 | 3;
  readonly config: Config;
}): Promise<StateParts> {
  const { context, connections, sessions, config } = options;
  const limits: StateLimits = {
    maxValueBytes: config.stateMaxValueBytes,
    maxEntries: config.stateMaxEntries,
    maxEntriesOfAll: config.stateMaxEntriesOfAll,
    requestsPerSecond: config.stateRequestsPerSecond,
    maxBytes: config.stateMaxBytes,
  };
  return {
    context,
    limits,
    rate: new RequestRate(limits.requestsPerSecond),
    bucket: await openStateBucket({ ...options, ...limits }),
    manifestOf: async (sessionKey) => {
      // Of its newest connection; that one may be so new that only the store of sessions knows it.
      const digest = connections.digestOf(sessionKey) ?? (await sessions.get(sessionKey))?.contractDigest;
      return digest === undefined ? undefined : context.catalog.manifest(digest);
    },
  };
}
