import { compileSchema, OPERATION_ACTIONS, OPERATION_DEFAULTS } from "@trellis/contracts";
import type { AnyContract, AnyErrorClass, CompiledSchema, JsonSchema, OperationAction } from "@trellis/contracts";
import { startBody } from "./operation-control-body.ts";
import type { AnyOperationHandler } from "./operation-handlers.ts";

/** Everything about one owned operation that is the same for each time it runs. */
export interface OperationFacts {
  readonly name: string;
  readonly subject: string;
  /** The body of a start, which holds the input. */
  readonly start: CompiledSchema;
  readonly input: CompiledSchema;
  readonly output: CompiledSchema;
  readonly progress: CompiledSchema;
  readonly signals: ReadonlyMap<string, CompiledSchema>;
  /** Callers may cancel it. */
  readonly cancellable: boolean;
  /** Global keys of the capabilities each action needs; being the owner is needed besides. */
  readonly required: { readonly [A in OperationAction]: readonly string[] };
  /** Classes of the errors it may fail with for good. */
  readonly errors: { readonly [type: string]: AnyErrorClass };
  readonly declared: ReadonlySet<string>;
  readonly maxAttempts: number;
  readonly backoffMs: readonly number[];
  readonly defaultDeadlineMs: number | undefined;
  readonly retentionMs: number;
  /** Alias of the store that its file goes to, when it takes one. */
  readonly store: string | undefined;
  handler: AnyOperationHandler | undefined;
}

/** The operations a contract owns; schemas are compiled once, here. */
export function operationFacts({ manifest, errors }: AnyContract): ReadonlyMap<string, OperationFacts> {
  const schema = (name: string): JsonSchema => manifest.schemas?.[name] ?? false;
  return new Map(
    Object.entries(manifest.operations ?? {}).map(([name, operation]) => {
      const { capabilities = {}, errors: named = [] } = operation;
      const observe = capabilities.observe ?? capabilities.call ?? [];
      return [
        name,
        {
          name,
          subject: operation.subject,
          start: startBody(schema(operation.input.schema)),
          input: compileSchema(schema(operation.input.schema)),
          output: compileSchema(schema(operation.output.schema)),
          progress: compileSchema(operation.progress === undefined ? true : schema(operation.progress.schema)),
          signals: new Map(
            Object.entries(operation.signals ?? {}).map(([signal, { input }]) => [
              signal,
              compileSchema(schema(input.schema)),
            ]),
          ),
          cancellable: capabilities.cancel !== undefined && operation.cancel !== false,
          required: {
            start: capabilities.call ?? [],
            run: [...new Set([...(capabilities.call ?? []), ...observe])],
            get: observe,
            wait: observe,
            watch: observe,
            cancel: capabilities.cancel ?? [],
            signal: capabilities.control ?? [],
          },
          errors: Object.fromEntries(
            named.flatMap(({ type }) => {
              const known = errors[type];
              return known === undefined ? [] : [[type, known] as const];
            }),
          ),
          declared: new Set(named.map(({ type }) => type)),
          maxAttempts: operation.maxAttempts ?? OPERATION_DEFAULTS.maxAttempts,
          backoffMs: operation.backoffMs ?? OPERATION_DEFAULTS.backoffMs,
          defaultDeadlineMs: operation.defaultDeadlineMs,
          retentionMs: operation.retentionMs ?? OPERATION_DEFAULTS.retentionMs,
          store: operation.transfer?.store,
          handler: undefined,
        },
      ];
    }),
  );
}

/** What callers may ask for; what nobody may do is left out. */
export function actionsOf(facts: OperationFacts): readonly OperationAction[] {
  return OPERATION_ACTIONS.filter(
    (action) => (action !== "cancel" || facts.cancellable) && (action !== "signal" || facts.signals.size > 0),
  );
}
