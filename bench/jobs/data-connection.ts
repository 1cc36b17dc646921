import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { told } from "./contender.ts";

/** A connection to the streams themselves, as the platform's own keys allow. */
export async function connectData(): Promise<NatsConnection> {
  const keys = await loadControlPlaneKeys(told("BENCH_OPERATOR"));
  const authenticator = directAuthenticator(createDirectUser(keys, "DATA", { name: "bench" }));
  return connect({ servers: told("BENCH_NATS").split(","), authenticator, noAsyncTraces: true });
}

/** What a stream has stored, ever. */
export async function storedIn(data: NatsConnection, stream: string): Promise<number> {
  const { state } = await (await jetstreamManager(data)).streams.info(stream);
  return state.last_seq;
}
