import type { Contender } from "../contender.ts";
import { ed25519 } from "./ed25519.ts";
import { grpc } from "./grpc.ts";
import { plainNats } from "./plain-nats.ts";
import { transport } from "./transport.ts";

/** In the order they take turns; the first is the denominator. */
export const contenders: readonly Contender[] = [plainNats, transport, ed25519, grpc];
