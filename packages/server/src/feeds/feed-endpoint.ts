import { compileSchema } from "@trellis/contracts";
import type { CompiledSchema, Manifest } from "@trellis/contracts";
import type { AnyFeedHandler } from "./feed-handlers.ts";

/** Everything about one owned feed that is the same for each reading. */
export interface FeedEndpoint {
  readonly name: string;
  readonly subject: string;
  /** The surface below which the control subjects of its streams lie. */
  readonly root: string;
  readonly input: CompiledSchema;
  readonly event: CompiledSchema;
  /** Global keys of the capabilities a reader must hold, for as long as it reads. */
  readonly required: readonly string[];
  /** Types of the errors its readers may get. */
  readonly declared: ReadonlySet<string>;
  handler: AnyFeedHandler | undefined;
}

/** Prepares the feeds a contract owns; schemas are compiled once, here. */
export function feedEndpoints(manifest: Manifest): ReadonlyMap<string, FeedEndpoint> {
  const schemaOf = (ref: { readonly schema: string }): CompiledSchema =>
    compileSchema(manifest.schemas?.[ref.schema] ?? false);
  return new Map(
    Object.entries(manifest.feeds ?? {}).map(([name, feed]) => [
      name,
      {
        name,
        subject: feed.subject,
        root: feed.subject,
        input: schemaOf(feed.input),
        event: schemaOf(feed.event),
        required: feed.capabilities?.subscribe ?? [],
        declared: new Set<string>(),
        handler: undefined,
      },
    ]),
  );
}
