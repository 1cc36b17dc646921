import { authorManifest } from "./author-manifest.ts";
import type { AuthoredKind } from "./author-manifest.ts";
import { ContractError } from "./contract-error.ts";
import { makeContract } from "./contract.ts";
import type { Contract } from "./contract.ts";
import type { AnyErrorClass } from "./define-error.ts";
import type { DefinedShape } from "./defined-shape.ts";
import type { Checked, Definition, NamedError, NamedSchema } from "./definition.ts";
import type { ContractKind } from "./manifest.ts";
import type { SchemaSource } from "./standard-schema.ts";

/** The schemas of a contract, by the name the manifest knows them by. */
export interface Schemas {
  readonly [name: string]: SchemaSource;
}

/** The errors of a contract; each under its own type. */
export interface Errors {
  readonly [type: string]: AnyErrorClass;
}

/** Makes references that only know what was declared. */
export interface Refs<SN extends string, EN extends string> {
  schema<N extends SN>(name: N): NamedSchema<N>;
  error<N extends EN>(type: N): NamedError<N>;
}

type NoErrors = Record<never, never>;

/** Each error stands under its own type, so that a reference, the wire and the class agree. */
type CheckedErrors<E> = {
  readonly [T in keyof E]: E[T] extends { readonly type: infer Own }
    ? T extends Own
      ? unknown
      : { readonly type: T }
    : unknown;
};

/** State belongs to a person or a device; a service keeps what is its own under `resources`. */
type Fitting<K extends ContractKind> = K extends "service"
  ? { readonly state?: "a service has no state of a user or device; declare a bucket under resources.kv" }
  : unknown;

/** Defines a contract of one kind, in either of two forms. */
export interface DefineContract<K extends ContractKind> {
  /** For contracts without schemas. */
  <const D extends Definition<never, never>>(
    definition: D & Checked<D, NoErrors> & Fitting<K>,
  ): Contract<DefinedShape<K, D, NoErrors, NoErrors>>;
  /** For contracts with schemas or errors: `ref` makes references to them. */
  <
    const D extends Definition<keyof S & string, keyof E & string>,
    S extends Schemas = Record<never, never>,
    E extends Errors = NoErrors,
  >(
    declarations: { readonly schemas?: S; readonly errors?: E & CheckedErrors<E> },
    build: (ref: Refs<keyof S & string, keyof E & string>) => D & Checked<D, S> & Fitting<K>,
  ): Contract<DefinedShape<K, D, S, E>>;
}

interface WithKind<K extends AuthoredKind> {
  /** `cli` is accepted and becomes `agent`. */
  readonly kind: K;
}

type ManifestKind<K extends AuthoredKind> = K extends "cli" ? "agent" : Exclude<K, "cli">;

type AnyKind = WithKind<AuthoredKind>;

/** Defines a contract of any kind, named by its `kind`. */
export interface DefineAnyContract {
  /** For contracts without schemas. */
  <const D extends Definition<never, never> & AnyKind>(
    definition: D & Checked<D, NoErrors, "kind">,
  ): Contract<DefinedShape<ManifestKind<D["kind"]>, D, NoErrors, NoErrors>>;
  /** For contracts with schemas or errors: `ref` makes references to them. */
  <
    const D extends Definition<keyof S & string, keyof E & string> & AnyKind,
    S extends Schemas = Record<never, never>,
    E extends Errors = NoErrors,
  >(
    declarations: { readonly schemas?: S; readonly errors?: E & CheckedErrors<E> },
    build: (ref: Refs<keyof S & string, keyof E & string>) => D & Checked<D, S, "kind">,
  ): Contract<DefinedShape<ManifestKind<D["kind"]>, D, S, E>>;
}

/** Defines a contract whose kind is a member of the definition. */
export const defineContract: DefineAnyContract = definer(undefined);

/** Defines what a service offers, owns and uses. */
export const defineServiceContract: DefineContract<"service"> = definer("service");

/** Defines what an application with people in front of it uses. */
export const defineAppContract: DefineContract<"app"> = definer("app");

/** Defines what an agent uses: a command line, a script, a bot. */
export const defineAgentContract: DefineContract<"agent"> = definer("agent");

/** Defines what a device uses. */
export const defineDeviceContract: DefineContract<"device"> = definer("device");

interface Declarations {
  readonly schemas?: Schemas;
  readonly errors?: Errors;
}

type Build = (ref: Refs<string, string>) => unknown;

/**
 * The one implementation behind every signature. Its parameters are wide because it checks at run time what the
 * signatures check in the type system; the result has the shape the signature computed.
 */
function definer(kind: ContractKind | undefined): (first: Declarations | object, build?: Build) => never {
  return (first, build) => {
    const declarations: Declarations = build === undefined ? {} : first;
    const definition = build === undefined ? first : build(wideRefs);
    const { parts, problems } = authorManifest({
      kind,
      definition,
      schemas: declarations.schemas ?? {},
      errors: declarations.errors ?? {},
    });
    if (parts === undefined) throw new ContractError(`The contract ${nameOf(definition)}`, problems);
    return makeContract(parts) as never;
  };
}

/** Unknown names are found with everything else when the manifest is made, so that all problems come at once. */
const wideRefs: Refs<string, string> = {
  schema: (name) => ({ schema: name }),
  error: (type) => ({ type }),
};

function nameOf(definition: unknown): string {
  return typeof definition === "object" &&
    definition !== null &&
    "id" in definition &&
    typeof definition.id === "string"
    ? definition.id
    : "without an id";
}
