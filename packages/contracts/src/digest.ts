import { sha256 } from "@noble/hashes/sha2.js";
import { encodeBase64url } from "./base64url.ts";
import { canonicalJson } from "./canonical.ts";
import type { Json, Manifest } from "./manifest.ts";
import { normalizeManifest } from "./normalize.ts";
import { schemaRefs } from "./surfaces.ts";

/**
 * The identity of what a contract means: base64url of the SHA-256 of the canonical JSON of its digest projection.
 * Words for people may change without changing it.
 */
export function contractDigest(manifest: Manifest): string {
  const bytes = new TextEncoder().encode(canonicalJson(digestProjection(manifest)));
  return encodeBase64url(sha256(bytes));
}

/** The part of a manifest the digest is of: no names and prose for people, no unused schemas and errors, no exports. */
export function digestProjection(manifest: Manifest): Json {
  const {
    displayName: _displayName,
    description: _description,
    docs: _docs,
    exports: _exports,
    errors,
    schemas,
    ...kept
  } = normalizeManifest(manifest);
  const usedErrors = declaredErrors({ errors, rpc: kept.rpc, operations: kept.operations });
  const reachable = new Set(
    schemaRefs({ ...kept, displayName: "", description: "", ...(usedErrors && { errors: usedErrors }) }).map(
      ({ ref }) => ref.schema,
    ),
  );
  const usedSchemas = Object.entries(schemas ?? {}).filter(([name]) => reachable.has(name));
  return asJson({
    ...kept,
    ...(kept.rpc && { rpc: withoutDocs(kept.rpc) }),
    ...(kept.operations && { operations: withoutDocs(kept.operations) }),
    ...(kept.events && { events: withoutDocs(kept.events) }),
    ...(kept.feeds && { feeds: withoutDocs(kept.feeds) }),
    ...(usedErrors && { errors: usedErrors }),
    ...(usedSchemas.length > 0 && { schemas: Object.fromEntries(usedSchemas) }),
  });
}

/** The errors some RPC or operation names; `undefined` when there are none. */
function declaredErrors({
  errors,
  rpc = {},
  operations = {},
}: {
  errors: Manifest["errors"];
  rpc: Manifest["rpc"];
  operations: Manifest["operations"];
}): Manifest["errors"] {
  const named = new Set(
    [...Object.values(rpc), ...Object.values(operations)].flatMap((each) => each.errors?.map(({ type }) => type) ?? []),
  );
  const used = Object.entries(errors ?? {}).filter(([, { type }]) => named.has(type));
  return used.length === 0 ? undefined : Object.fromEntries(used);
}

function withoutDocs<T extends { readonly docs?: unknown }>(surfaces: {
  readonly [name: string]: T;
}): { readonly [name: string]: Omit<T, "docs"> } {
  return Object.fromEntries(Object.entries(surfaces).map(([name, { docs: _docs, ...surface }]) => [name, surface]));
}

/** A manifest's interfaces have no index signature, so TypeScript cannot see that they are JSON. */
function asJson(value: object): Json {
  return value as unknown as Json;
}
