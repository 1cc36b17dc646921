import { compileSchema, operationControlSubject, operationRunSubject, operationSubject } from "@trellis/contracts";
import type { AnyContract, CompiledSchema, JsonSchema } from "@trellis/contracts";
import { isOperationFrame, OperationError } from "@trellis/protocol";
import type { KnownErrors } from "@trellis/protocol";
import type { CallableRpc } from "../callable-rpc.ts";
import type { ReadableFeed } from "../feeds/readable-feeds.ts";

/** One operation as a caller needs it: what is asked where, and what goes in and comes out. */
export interface CallableOperation {
  readonly name: string;
  readonly input: CompiledSchema;
  readonly output: CompiledSchema;
  /** What it may fail with, beside what the protocol has. */
  readonly errors: KnownErrors;
  /** At this deployment, or at whichever takes it. */
  start(service: string | undefined): CallableRpc;
  run(service: string | undefined): CallableRpc;
  /** At the deployment that has the operation. */
  action(action: "get" | "wait" | "cancel" | "signal", service: string): CallableRpc;
  watch(service: string): ReadableFeed;
  readonly selected: boolean;
}

const OPERATION_ERRORS: KnownErrors = { OperationError };
const anything = compileSchema(true);

/** Every operation that the used contracts have; one that is not selected is there for a precise refusal. */
export function callableOperations(contract: AnyContract): ReadonlyMap<string, CallableOperation> {
  const all = new Map<string, CallableOperation>();
  for (const wantSelected of [true, false]) {
    for (const [alias, used] of Object.entries(contract.uses)) {
      const owner = used.contract;
      if (owner === undefined) continue;
      const list = used.selection.operations?.call ?? [];
      for (const [name, { subject, input, output, errors = [] }] of Object.entries(owner.manifest.operations ?? {})) {
        const selected = list.includes(name);
        if (selected !== wantSelected || all.has(name)) continue;
        const schema = (key: string): JsonSchema => owner.manifest.schemas?.[key] ?? false;
        const known: { [type: string]: KnownErrors[string] } = { ...OPERATION_ERRORS };
        for (const { type } of errors) {
          const declared = owner.errors[type];
          if (declared !== undefined) known[type] = declared;
        }
        all.set(
          name,
          describe({
            name,
            subject,
            contractId: owner.id,
            input: () => compileSchema(schema(input.schema)),
            output: () => compileSchema(schema(output.schema)),
            errors: known,
            declared: { alias, list, selected },
          }),
        );
      }
    }
  }
  return all;
}

/** A name no used contract has. */
export function unknownOperation(name: string): CallableOperation {
  return describe({
    name,
    subject: operationSubject(name, "v1"),
    contractId: undefined,
    input: () => anything,
    output: () => anything,
    errors: OPERATION_ERRORS,
    declared: undefined,
  });
}

interface Facts extends Pick<CallableRpc, "name" | "subject" | "contractId" | "errors" | "declared"> {
  readonly input: () => CompiledSchema;
  readonly output: () => CompiledSchema;
}

/** Compiling a schema costs a millisecond, so it waits for the first use. */
function describe({ name, subject, contractId, input, output, errors, declared }: Facts): CallableOperation {
  const asked = (at: string): CallableRpc => ({
    name,
    surface: "operation",
    subject: at,
    contractId,
    input: anything,
    output: anything,
    errors: OPERATION_ERRORS,
    declared,
  });
  let compiledInput: CompiledSchema | undefined;
  let compiledOutput: CompiledSchema | undefined;
  return {
    name,
    errors,
    get input() {
      return (compiledInput ??= input());
    },
    get output() {
      return (compiledOutput ??= output());
    },
    start: (service) => asked(service === undefined ? subject : operationControlSubject(subject, "start", service)),
    run: (service) =>
      asked(service === undefined ? operationRunSubject(subject) : operationControlSubject(subject, "run", service)),
    action: (action, service) => asked(operationControlSubject(subject, action, service)),
    watch: (service) => ({
      name,
      subject: operationControlSubject(subject, "watch", service),
      root: subject,
      contractId,
      input: anything,
      event: FRAME,
      errors: OPERATION_ERRORS,
      declared,
    }),
    selected: declared?.selected === true,
  };
}

/** Frames are the protocol's, not the contract's. */
const FRAME: CompiledSchema = {
  check: isOperationFrame,
  errors: () => [{ path: "", message: "it is no frame of an operation" }],
};
