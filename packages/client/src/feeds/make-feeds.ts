import { surfacePath } from "@trellis/contracts";
import type { AnyContract } from "@trellis/contracts";
import { TransportError } from "@trellis/protocol";
import type { CallTransport } from "../rpc-call.ts";
import { Reading } from "./feed-reading.ts";
import type { FeedOptions } from "./feed-types.ts";
import { readableFeeds, unknownFeed } from "./readable-feeds.ts";

type UntypedFeed = (input: unknown, options?: FeedOptions) => Reading;

/** What `client.feed` is before types are laid over it. */
export interface UntypedFeeds {
  (name: string): { input(input: unknown): { subscribe(options?: FeedOptions): Reading } };
}

/** Builds `client.feed` from the names a contract reads. */
export function makeFeeds(
  contract: AnyContract,
  transport: CallTransport,
): { readonly feed: UntypedFeeds; closeAll(): void } {
  const feeds = readableFeeds(contract);
  const underWay = new Set<Reading>();
  const functionOf = (name: string): UntypedFeed => {
    const feed = feeds.get(name) ?? unknownFeed(name);
    return (input, options = {}) => new Reading(transport, feed, input, options, underWay);
  };
  const feed: UntypedFeeds = (name) => ({
    input: (input) => ({ subscribe: (options) => functionOf(name)(input, options) }),
  });
  const groups = new Map<string, { [leaf: string]: UntypedFeed }>();
  for (const [name, { declared }] of feeds) {
    if (declared?.selected !== true) continue;
    const { group, leaf } = surfacePath(name);
    const leaves = groups.get(group) ?? {};
    leaves[leaf] = functionOf(name);
    groups.set(group, leaves);
  }
  // Defined, not assigned: a group may have the name of a property that functions have.
  for (const [group, leaves] of groups) Object.defineProperty(feed, group, { value: leaves, enumerable: true });
  return {
    feed,
    closeAll() {
      for (const reading of underWay) reading.close(new TransportError("closed"));
    },
  };
}
