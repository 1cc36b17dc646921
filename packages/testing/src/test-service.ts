import type { SessionKey } from "@trellis/auth";
import { createNodeSessionKey } from "@trellis/auth/node";
import type { TrellisClient } from "@trellis/client/node";
import { type AnyContract, contractName } from "@trellis/contracts";
import { Refused } from "@trellis/sdk";
import { type Log, type ServiceLimits, TrellisService } from "@trellis/server/node";
import type { adminContract } from "./admin-contract.ts";

export interface TestServiceOptions<Deps> {
  /** The deployment; made in `mutable-dev` mode when it is not there. Default: the contract's name. */
  readonly name?: string;
  readonly mode?: "strict" | "mutable-dev";
  readonly key?: SessionKey;
  readonly deps?: Deps;
  readonly log?: Log;
  /** Where they differ from what services have. */
  readonly limits?: Partial<ServiceLimits>;
  readonly onNotice?: (message: string) => void;
  readonly signal?: AbortSignal;
}

interface Prepared<C extends AnyContract, Deps> extends TestServiceOptions<Deps> {
  readonly contract: C;
  readonly url: string;
  readonly admin: TrellisClient<typeof adminContract>;
}

/** Prepares a deployment and a key, then connects the way a service on a real platform does. */
export async function connectTestService<const C extends AnyContract, Deps>(
  prepared: Prepared<C, Deps>,
): Promise<TrellisService<C, Deps>> {
  const {
    contract,
    url,
    admin,
    mode = "mutable-dev",
    key = createNodeSessionKey(),
    name = contractName(contract.id),
    ...rest
  } = prepared;
  const created = await admin.rpc.auth.deploymentsCreate({ name, mode });
  if (!created.ok && !(created.error instanceof Refused)) throw created.error;
  await admin.rpc.auth.instancesProvision({ deployment: name, sessionKey: key.publicKey }).orThrow();
  return TrellisService.connect<C, Deps>({ contract, name, url, key, env: {}, onNotice: () => undefined, ...rest });
}
