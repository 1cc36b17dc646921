import { compileSchema, rpcSubject } from "@trellis/contracts";
import type { AnyContract, CompiledSchema, JsonSchema, Manifest, SchemaRef } from "@trellis/contracts";
import type { KnownErrors } from "@trellis/protocol";
import { contractBehind } from "./platform-contracts.ts";

/** One RPC as a caller needs it: where it is asked, and what goes in and comes out. */
export interface CallableRpc {
  readonly name: string;
  /** What it is asked about. */
  readonly surface: "rpc" | "operation";
  readonly subject: string;
  /** The contract that owns it; undefined for a name no used contract has. */
  readonly contractId: string | undefined;
  readonly input: CompiledSchema;
  readonly output: CompiledSchema;
  readonly errors: KnownErrors;
  /** Whether its answer hands out a file. */
  readonly transfer?: boolean;
  /** Where the caller's contract declares it, or would have to. */
  readonly declared:
    { readonly alias: string; readonly list: readonly string[]; readonly selected: boolean } | undefined;
}

/** Every RPC that the used contracts have, the selected ones first: a name asked without being selected still gets a precise refusal. */
export function callableRpcs(contract: AnyContract): ReadonlyMap<string, CallableRpc> {
  const all = new Map<string, CallableRpc>();
  for (const wantSelected of [true, false]) {
    for (const [alias, used] of Object.entries(contract.uses)) {
      const owner = contractBehind(used);
      if (owner === undefined) continue;
      const list = used.selection.rpc?.call ?? [];
      for (const name of Object.keys(owner.manifest.rpc ?? {})) {
        const selected = list.includes(name);
        if (selected === wantSelected && !all.has(name)) all.set(name, lazily(owner, name, { alias, list, selected }));
      }
    }
  }
  return all;
}

/** A name no used contract has: nothing is known about it but where it would be asked. */
export function unknownRpc(name: string): CallableRpc {
  const anything = compileSchema(true);
  return {
    name,
    surface: "rpc",
    subject: rpcSubject(name, "v1"),
    contractId: undefined,
    input: anything,
    output: anything,
    errors: {},
    declared: undefined,
  };
}

/** Compiling a schema costs a millisecond; a caller of a large contract asks a few of its RPCs. */
function lazily(owner: AnyContract, name: string, declared: NonNullable<CallableRpc["declared"]>): CallableRpc {
  const rpc = owner.manifest.rpc?.[name];
  if (rpc === undefined) return unknownRpc(name);
  let input: CompiledSchema | undefined;
  let output: CompiledSchema | undefined;
  const errors: { [type: string]: KnownErrors[string] } = {};
  for (const { type } of rpc.errors ?? []) {
    const known = owner.errors[type];
    if (known !== undefined) errors[type] = known;
  }
  return {
    name,
    surface: "rpc",
    subject: rpc.subject,
    contractId: owner.id,
    get input() {
      return (input ??= compileSchema(schemaOf(owner.manifest, rpc.input)));
    },
    get output() {
      return (output ??= compileSchema(schemaOf(owner.manifest, rpc.output)));
    },
    errors,
    transfer: rpc.transfer !== undefined,
    declared,
  };
}

function schemaOf(manifest: Manifest, ref: SchemaRef): JsonSchema {
  const schema = manifest.schemas?.[ref.schema];
  if (schema === undefined)
    throw new Error(`The contract ${manifest.id} refers to the schema ${ref.schema} and does not have it.`);
  return schema;
}
