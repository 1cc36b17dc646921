/// <reference types="node" />
import { availableParallelism } from "node:os";
import type { AuthCrypto } from "@trellis/auth";
import { nodeSha256 } from "@trellis/auth/node";
import { verifyByHalves } from "./verify-by-halves.ts";
import { verifyInPool } from "./verify-in-pool.ts";

/** With this many cores or fewer, NATS, callers and the event loop itself keep all of them busy. */
const FEW_CORES = 2;

const inPool = verifyInPool();

/** The cryptography of services on Node: native, and where signatures are verified depends on the cores there are. */
export const serviceCrypto: AuthCrypto = {
  sha256: nodeSha256,
  verify: availableParallelism() > FEW_CORES ? inPool : verifyByHalves(inPool),
};
