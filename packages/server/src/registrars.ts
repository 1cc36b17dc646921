import { surfacePath } from "@trellis/contracts";
import type { ContractShape } from "@trellis/contracts";
import type { AnyHandler, Handle } from "./handlers.ts";
import type { RpcEndpoint } from "./rpc-endpoint.ts";

/** A service was put together wrongly; the message says what to change. */
export class ServiceSetupError extends Error {
  override readonly name = "ServiceSetupError";
  readonly code:
    | "handler_missing"
    | "handler_repeated"
    | "handler_late"
    | "handler_unknown"
    | "not_a_service"
    | "not_provisioned"
    | "missing_resource"
    | "no_platform";

  constructor(code: ServiceSetupError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Builds `handle.rpc.<group>.<leaf>` from the names a contract owns. */
export function makeHandle<S extends ContractShape, Client, Deps>(
  endpoints: ReadonlyMap<string, RpcEndpoint>,
  isStarted: () => boolean,
): Pick<Handle<S, Client, Deps>, "rpc" | "all"> {
  const register = (endpoint: RpcEndpoint, handler: AnyHandler): void => {
    const { name } = endpoint;
    if (isStarted()) {
      throw new ServiceSetupError(
        "handler_late",
        `The handler of ${name} comes too late: register every handler before the service runs.`,
      );
    }
    if (endpoint.handler !== undefined) {
      throw new ServiceSetupError(
        "handler_repeated",
        `${name} has a handler already: one RPC is answered by one handler. Remove one of the two.`,
      );
    }
    endpoint.handler = handler;
  };
  const rpc: { [group: string]: { [leaf: string]: (handler: AnyHandler) => void } } = {};
  for (const endpoint of endpoints.values()) {
    const { group, leaf } = surfacePath(endpoint.name);
    (rpc[group] ??= {})[leaf] = (handler) => register(endpoint, handler);
  }
  const all = (handlers: { readonly [name: string]: AnyHandler }): void => {
    for (const [name, handler] of Object.entries(handlers)) {
      const endpoint = endpoints.get(name);
      if (endpoint === undefined) throw new ServiceSetupError("handler_unknown", `The contract owns no RPC ${name}.`);
      register(endpoint, handler);
    }
  };
  // The names above come from the same manifest the types come from; the type system cannot follow them through a loop.
  return { rpc, all } as unknown as Pick<Handle<S, Client, Deps>, "rpc" | "all">;
}

/** Refuses to serve a contract of which a part would never answer. */
export function requireHandlers(contractId: string, endpoints: ReadonlyMap<string, RpcEndpoint>): void {
  const missing = [...endpoints.values()].filter((endpoint) => endpoint.handler === undefined);
  if (missing.length === 0) return;
  const lines = missing.map(({ name }) => {
    const { group, leaf } = surfacePath(name);
    return `  ${name}: service.handle.rpc.${group}.${leaf}(async ({ input }) => …)`;
  });
  throw new ServiceSetupError(
    "handler_missing",
    `${contractId} promises ${missing.length === 1 ? "an RPC" : "RPCs"} that nothing answers. Add before the service runs:\n${lines.join("\n")}`,
  );
}
