import { compileSchema, feedSubject } from "@trellis/contracts";
import type { AnyContract, CompiledSchema } from "@trellis/contracts";
import type { KnownErrors } from "@trellis/protocol";
import { contractBehind } from "../platform-contracts.ts";

/** One feed as a reader needs it: where it is opened, and what goes in and comes out. */
export interface ReadableFeed {
  readonly name: string;
  readonly subject: string;
  /** The surface below which the control subjects of its streams lie, when that is not the feed itself. */
  readonly root?: string;
  /** Errors its readers may get beside those of the protocol. */
  readonly errors?: KnownErrors;
  /** The contract that owns it; undefined for a name no used contract has. */
  readonly contractId: string | undefined;
  readonly input: CompiledSchema;
  readonly event: CompiledSchema;
  /** Where the reader's contract declares it, or would have to. */
  readonly declared:
    { readonly alias: string; readonly list: readonly string[]; readonly selected: boolean } | undefined;
}

/** Every feed that the used contracts have; one that is not selected is there for a precise refusal. */
export function readableFeeds(contract: AnyContract): ReadonlyMap<string, ReadableFeed> {
  const all = new Map<string, ReadableFeed>();
  for (const wantSelected of [true, false]) {
    for (const [alias, used] of Object.entries(contract.uses)) {
      const owner = contractBehind(used);
      if (owner === undefined) continue;
      const list = used.selection.feeds?.subscribe ?? [];
      for (const name of Object.keys(owner.manifest.feeds ?? {})) {
        const selected = list.includes(name);
        if (selected === wantSelected && !all.has(name)) all.set(name, lazily(owner, name, { alias, list, selected }));
      }
    }
  }
  return all;
}

/** A name no used contract has. */
export function unknownFeed(name: string): ReadableFeed {
  const anything = compileSchema(true);
  return {
    name,
    subject: feedSubject(name, "v1"),
    contractId: undefined,
    input: anything,
    event: anything,
    declared: undefined,
  };
}

/** Compiling a schema costs a millisecond, so it waits for the first use. */
function lazily(owner: AnyContract, name: string, declared: NonNullable<ReadableFeed["declared"]>): ReadableFeed {
  const feed = owner.manifest.feeds?.[name];
  if (feed === undefined) return unknownFeed(name);
  const schemaOf = (key: string): CompiledSchema => compileSchema(owner.manifest.schemas?.[key] ?? false);
  let input: CompiledSchema | undefined;
  let event: CompiledSchema | undefined;
  return {
    name,
    subject: feed.subject,
    contractId: owner.id,
    get input() {
      return (input ??= schemaOf(feed.input.schema));
    },
    get event() {
      return (event ??= schemaOf(feed.event.schema));
    },
    declared,
  };
}
