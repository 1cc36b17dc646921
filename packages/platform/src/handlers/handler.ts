import type { AnyContract, RpcOf } from "@trellis/contracts";
import type { Result } from "@trellis/result";
import { NotFound, Refused } from "@trellis/sdk";
import type { BuiltInError } from "@trellis/server/internal";
import type { CommandError } from "../command-error.ts";
import type { Actor } from "../tables.ts";

/** Who asks, as the router verified it. */
export interface HandlerCaller {
  readonly type: "service" | "user" | "device";
  readonly id: string;
  readonly name: string;
  readonly sessionKey: string;
  readonly contractId: string;
}

/** What a handler of the control plane reads of a call. */
export interface HandlerCall<Input> {
  readonly input: Input;
  readonly caller: HandlerCaller;
}

/** Handlers of some RPCs of a contract by logical name; register them with the service runtime. */
export type HandlersOf<C extends AnyContract, Names extends keyof RpcOf<C>> = {
  readonly [N in Names]: RpcOf<C>[N] extends {
    readonly input: infer Input;
    readonly output: infer Output;
    readonly error: infer Failure;
  }
    ? (call: HandlerCall<Input>) => Promise<Result<Output, Failure | BuiltInError>>
    : never;
};

/** The command's refusal as an error callers know from the contract. */
export function declared(error: CommandError): InstanceType<typeof NotFound> | InstanceType<typeof Refused> {
  return error.code === "not_found"
    ? new NotFound({ kind: error.kind, name: error.name })
    : new Refused({ code: error.reason, why: error.why, next: error.next });
}

/** The caller as history and audit name it. */
export function actorOf(caller: HandlerCaller): Actor {
  return { type: caller.type, id: caller.id, name: caller.name };
}

/** A time as people and programs read it. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
