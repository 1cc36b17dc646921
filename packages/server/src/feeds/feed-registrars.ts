import { surfacePath } from "@trellis/contracts";
import type { ContractShape } from "@trellis/contracts";
import { ServiceSetupError } from "../registrars.ts";
import type { FeedEndpoint } from "./feed-endpoint.ts";
import type { AnyFeedHandler, FeedRegistrars } from "./feed-handlers.ts";

/** Builds `handle.feed.<group>.<leaf>` from the names a contract owns. */
export function makeFeedHandle<S extends ContractShape, Client, Deps>(
  endpoints: ReadonlyMap<string, FeedEndpoint>,
  isStarted: () => boolean,
): FeedRegistrars<S, Client, Deps> {
  const register = (endpoint: FeedEndpoint, handler: AnyFeedHandler): void => {
    const { name } = endpoint;
    if (isStarted()) {
      throw new ServiceSetupError(
        "handler_late",
        `The handler of the feed ${name} comes too late: register every handler before the service runs.`,
      );
    }
    if (endpoint.handler !== undefined) {
      throw new ServiceSetupError("handler_repeated", `The feed ${name} has a handler already. Remove one of the two.`);
    }
    endpoint.handler = handler;
  };
  const groups: { [group: string]: { [leaf: string]: (handler: AnyFeedHandler) => void } } = {};
  for (const endpoint of endpoints.values()) {
    const { group, leaf } = surfacePath(endpoint.name);
    (groups[group] ??= {})[leaf] = (handler) => register(endpoint, handler);
  }
  // The names come from the same manifest the types come from; the type system cannot follow them through a loop.
  return groups as unknown as FeedRegistrars<S, Client, Deps>;
}

/** Refuses to serve a contract of which a feed would never open. */
export function requireFeedHandlers(contractId: string, endpoints: ReadonlyMap<string, FeedEndpoint>): void {
  const missing = [...endpoints.values()].filter((endpoint) => endpoint.handler === undefined);
  if (missing.length === 0) return;
  const lines = missing.map(({ name }) => {
    const { group, leaf } = surfacePath(name);
    return `  ${name}: service.handle.feed.${group}.${leaf}(async function* ({ input }) { … })`;
  });
  throw new ServiceSetupError(
    "handler_missing",
    `${contractId} promises ${missing.length === 1 ? "a feed" : "feeds"} that nothing serves. Add before the service runs:\n${lines.join("\n")}`,
  );
}
