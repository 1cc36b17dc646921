/// <reference types="node" />
import { createHash } from "node:crypto";
import { nodeCrypto, nodePostJson } from "@trellis/auth/node";
import { ConnectRefused } from "@trellis/client";
import { connectSession } from "@trellis/client/internal";
import type { Session } from "@trellis/client/internal";
import { nodeConnect, tell as tellPerson, tellThisPlainly } from "@trellis/client/node";
import { contractName, isName, NAME_RULES } from "@trellis/contracts";
import type { AnyContract } from "@trellis/contracts";
import type { ServiceLimits } from "../limits.ts";
import type { Log } from "../log.ts";
import { ServiceSetupError } from "../registrars.ts";
import { createService } from "../service.ts";
import type { Migrations, TrellisService } from "../service.ts";
import { consoleLog } from "./console-log.ts";
import { findServiceKey } from "./find-service-key.ts";
import type { ServiceAccess, ServiceAccessOptions } from "./find-service-key.ts";
import { provisionLocally } from "./provision-locally.ts";
import { serviceCrypto } from "./service-crypto.ts";
import { nodeTracing } from "./trace-context.ts";
import { untilSignal } from "./until-signal.ts";

export interface NodeServiceOptions<C extends AnyContract, Deps> extends ServiceAccessOptions {
  readonly contract: C;
  /** The name of the deployment; default: the contract's name without its version. */
  readonly name?: string;
  /** What every handler finds as `deps`. */
  readonly deps?: Deps;
  /** Default: lines on standard error. */
  readonly log?: Log;
  readonly limits?: Partial<ServiceLimits>;
  /** What is waited for, or has gone wrong and is being tried again. Printed to standard error unless given. */
  readonly onNotice?: (message: string) => void;
  /** Makes values that an older version of the contract stored into values of this one, when they are read. */
  readonly migrate?: Migrations<C>;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
}

/** Connects a service on Node; see `TrellisService.connect`. */
export async function connectService<C extends AnyContract, Deps>(
  options: NodeServiceOptions<C, Deps>,
): Promise<TrellisService<C, Deps>> {
  const { contract } = options;
  const name = options.name ?? contractName(contract.id);
  requireService(contract, name);
  const tell = options.onNotice ?? tellPerson;
  const access = findServiceKey(name, options, tell);
  const session = await openSession({ contract, name, access, tell, signal: options.signal });
  // What `run` ends with when the platform has ended the session.
  session.ended.addEventListener("abort", () => tellThisPlainly(session.ended.reason), { once: true });
  return createService<C, Deps>({
    contract,
    // The deployment this key belongs to; its name is what the permissions and what operators see are made of.
    name: session.facts.bindings.service ?? name,
    session,
    host: {
      crypto: serviceCrypto,
      newSha256: () => createHash("sha256"),
      untilAskedToStop: untilSignal,
      tracing: nodeTracing(),
    },
    // Left out, `Deps` is `undefined`, and so is this.
    deps: options.deps as Deps,
    log: options.log ?? consoleLog(),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.migrate === undefined ? {} : { migrate: options.migrate }),
  });
}

function requireService(contract: AnyContract, name: string): void {
  if (contract.kind !== "service") {
    throw new ServiceSetupError(
      "not_a_service",
      `${contract.id} is the contract of ${contract.kind === "app" || contract.kind === "agent" ? "an" : "a"} ${contract.kind}. A service has a contract made with defineServiceContract; ${contract.id} connects with TrellisClient.connect.`,
    );
  }
  if (!isName("deployment", name)) {
    throw new ServiceSetupError(
      "not_a_service",
      `"${name}" cannot name a service. A name is ${NAME_RULES.deployment.rule}.`,
    );
  }
}

interface Opening {
  readonly contract: AnyContract;
  readonly name: string;
  readonly access: ServiceAccess;
  readonly tell: (message: string) => void;
  readonly signal: AbortSignal | undefined;
}

async function openSession(opening: Opening): Promise<Session> {
  const { name, access, tell, signal } = opening;
  const { local, key } = access;
  const provision = async (platform: NonNullable<typeof local>): Promise<void> =>
    provisionLocally({
      local: platform,
      name,
      sessionKey: key.publicKey,
      tell,
      ...(signal === undefined ? {} : { signal }),
    });
  if (local !== undefined && access.fresh) await provision(local);
  try {
    return await dial(opening);
  } catch (error) {
    if (!(error instanceof ConnectRefused) || error.reason !== "unknown_service") throw error;
    if (local === undefined) throw notRegistered(opening, error);
    // The local platform was reset since this key was made.
    await provision(local);
    return dial(opening);
  }
}

function dial({ contract, access, tell, signal }: Opening): Promise<Session> {
  return connectSession({
    url: access.url,
    key: access.key,
    contract,
    kind: "service",
    crypto: nodeCrypto,
    post: nodePostJson,
    connect: nodeConnect,
    transport: "tcp",
    onNotice: tell,
    ...(signal === undefined ? {} : { signal }),
  });
}

function notRegistered({ name, access }: Opening, cause: ConnectRefused): ServiceSetupError {
  const error = new ServiceSetupError(
    "not_provisioned",
    `The platform at ${access.url} does not know the key of ${name} (${access.key.publicKey}). Run \`trellis svc provision ${name}\` there, and set TRELLIS_SEED_FILE to the file it names.`,
  );
  error.cause = cause;
  return error;
}
