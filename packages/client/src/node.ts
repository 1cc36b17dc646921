/// <reference types="node" />
import { createHash } from "node:crypto";
import { connect } from "@nats-io/transport-node";
import { nodeCrypto, nodePostJson, SeedFileError } from "@trellis/auth/node";
import { ContractError } from "@trellis/contracts";
import type { AnyContract } from "@trellis/contracts";
import { createClient } from "./client.ts";
import type { TrellisClient as Client } from "./client.ts";
import { findPlatform, NoPlatform } from "./node/find-platform.ts";
import type { AccessOptions } from "./node/find-platform.ts";
import { LocalPlatformDamaged } from "./node/local-platform.ts";
import { tell, tellPlainly, tellThisPlainly } from "./node/plain-failures.ts";
import { keepSocketErrorsHarmless } from "./node/socket-errors.ts";
import type { ConnectFunction } from "./nats-wire.ts";
import { ConnectRefused, connectSession } from "./session.ts";

export { findLocalPlatform, LocalPlatformDamaged } from "./node/local-platform.ts";
export type { LocalPlatform } from "./node/local-platform.ts";
export { findPlatform, NoPlatform, requireHttpAddress } from "./node/find-platform.ts";
export type { AccessOptions, PlatformAccess } from "./node/find-platform.ts";
export { tell, tellPlainly, tellThisPlainly } from "./node/plain-failures.ts";

// Now and not with the first connection: a contract of this program may be wrong before it gets that far.
tellPlainly(NoPlatform, LocalPlatformDamaged, SeedFileError, ConnectRefused, ContractError);

/** Connects to NATS over TCP and TLS. */
export const nodeConnect: ConnectFunction = (options) => {
  keepSocketErrorsHarmless();
  return connect(options);
};

export interface NodeConnectOptions<C extends AnyContract> extends AccessOptions {
  readonly contract: C;
  /** What is waited for, or has gone wrong and is being tried again. Printed to standard error unless given. */
  readonly onNotice?: (message: string) => void;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
}

export type TrellisClient<C extends AnyContract = AnyContract> = Client<C>;

export const TrellisClient = {
  /**
   * Connects as the participant the contract describes: to `url`, `TRELLIS_URL` or the local platform of this folder.
   * Waits as long as the platform says there is something to wait for, and tells what.
   */
  async connect<const C extends AnyContract>(options: NodeConnectOptions<C>): Promise<Client<C>> {
    const { contract, signal } = options;
    const { url, key, enrol } = findPlatform(options);
    const session = await connectSession({
      url,
      key,
      contract,
      kind: "agent",
      crypto: nodeCrypto,
      post: nodePostJson,
      connect: nodeConnect,
      transport: "tcp",
      ...(enrol === undefined ? {} : { enrol }),
      onNotice: options.onNotice ?? tell,
      ...(signal === undefined ? {} : { signal }),
    });
    session.ended.addEventListener("abort", () => tellThisPlainly(session.ended.reason), { once: true });
    return createClient({
      contract,
      transport: session,
      newSha256: () => createHash("sha256"),
      onClose: async () => {
        await session.link.drain();
        await session.close();
      },
    });
  },
};
