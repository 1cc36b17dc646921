import { compileSchema } from "@trellis/contracts";
import type { CompiledSchema, Manifest } from "@trellis/contracts";
import { EndpointStats } from "./endpoint-stats.ts";
import type { AnyHandler } from "./handlers.ts";

/** Everything about one owned RPC that is the same for each request. */
export interface RpcEndpoint {
  readonly name: string;
  readonly subject: string;
  readonly input: CompiledSchema;
  readonly output: CompiledSchema;
  /** Global keys of the capabilities a caller must hold. */
  readonly required: readonly string[];
  /** A request id is accepted by one replica only, however many hear it. */
  readonly once: boolean;
  /** Whether its answer hands out a file. */
  readonly transfer?: boolean;
  /** Types of the errors its callers may get. */
  readonly declared: ReadonlySet<string>;
  readonly stats: EndpointStats;
  handler: AnyHandler | undefined;
}

/** Prepares the RPCs a contract owns; schemas are compiled once, here. */
export function rpcEndpoints(manifest: Manifest): ReadonlyMap<string, RpcEndpoint> {
  const schemaOf = (ref: { readonly schema: string }): CompiledSchema =>
    compileSchema(manifest.schemas?.[ref.schema] ?? false);
  return new Map(
    Object.entries(manifest.rpc ?? {}).map(([name, rpc]) => [
      name,
      {
        name,
        subject: rpc.subject,
        input: schemaOf(rpc.input),
        output: schemaOf(rpc.output),
        required: rpc.capabilities?.call ?? [],
        once: rpc.once === true,
        transfer: rpc.transfer !== undefined,
        declared: new Set((rpc.errors ?? []).map((error) => error.type)),
        stats: new EndpointStats(),
        handler: undefined,
      },
    ]),
  );
}
