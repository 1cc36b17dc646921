import { compileSchema, contractName, type CompiledSchema, type Manifest, type SchemaRef } from "@trellis/contracts";
import { AuthError, TransportError } from "@trellis/protocol";
import { err, ok, type Result } from "@trellis/result";
import { Refused } from "@trellis/sdk";
import type { HandlerCaller } from "../handlers/handler.ts";
import type { StateStore } from "./state-place.ts";

/** A store as the caller's contract declares it. */
export interface DeclaredState {
  readonly place: StateStore;
  /** The version the contract writes. */
  readonly version: string;
  /** The schema of a version it reads; `undefined` for one it does not know. */
  schemaOf(version: string): CompiledSchema | undefined;
}

/** The contract a session is connected with. */
export type ManifestOf = (sessionKey: string) => Promise<Manifest | undefined>;

/** What the caller's contract says about a store. Throws for callers that have no state, and when it cannot tell. */
export async function declaredState(
  manifestOf: ManifestOf,
  caller: HandlerCaller,
  store: string,
): Promise<Result<DeclaredState, InstanceType<typeof Refused>>> {
  const { type, id, sessionKey, contractId } = caller;
  if (type === "service")
    throw new AuthError("insufficient_permissions", {
      message: "State belongs to a user or a device. A service keeps what is its own in resources.kv.",
    });
  const manifest = await manifestOf(sessionKey);
  // The session is used with another contract than a moment ago, and not everybody here has heard of it.
  if (manifest?.id !== contractId) throw new TransportError("retry_later");
  const declared = own(manifest.state, store);
  if (declared === undefined) {
    const names = Object.keys(manifest.state ?? {});
    return err(
      new Refused({
        code: "unknown_store",
        why: `${manifest.id} declares no state ${store}.`,
        next: names.length === 0 ? "Declare it under state." : `It declares ${names.join(", ")}.`,
      }),
    );
  }
  const { kind, schema, stateVersion: version = "v1", acceptedVersions } = declared;
  const compiled = (ref: SchemaRef | undefined): CompiledSchema | undefined =>
    ref && compileSchema(own(manifest.schemas, ref.schema) ?? false);
  return ok({
    place: { owner: { type, id }, contract: contractName(manifest.id), store, kind },
    version,
    schemaOf: (wanted) => compiled(wanted === version ? schema : own(acceptedVersions, wanted)),
  });
}

function own<T>(map: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
}
