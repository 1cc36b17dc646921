import type { Contender } from "../contender.ts";
import { grpc } from "./grpc.ts";
import { plainNats } from "./plain-nats.ts";

/** In the order they take turns; the first is the denominator. */
export const contenders: readonly Contender[] = [plainNats, grpc];
