import { TrellisError } from "./errors.ts";
import type { Json, JsonSchema } from "./manifest.ts";
import { compileSchema } from "./schema.ts";
import { ContractError } from "./contract-error.ts";
import type { Problem } from "./parse.ts";
import { acceptsAbsence, extractSchema } from "./standard-schema.ts";
import type { InferSchema, SchemaSource } from "./standard-schema.ts";

/** The fields of an error, each with its schema. */
export interface ErrorFields {
  readonly [name: string]: SchemaSource;
}

type OptionalField<S> = S extends { readonly "~optional": unknown }
  ? true
  : undefined extends InferSchema<S>
    ? unknown extends InferSchema<S>
      ? false
      : true
    : false;

/** The values an error carries, from the schemas of its fields. */
export type ErrorData<F> = Flat<
  { readonly [K in keyof F as OptionalField<F[K]> extends true ? never : K]: InferSchema<F[K]> } & {
    readonly [K in keyof F as OptionalField<F[K]> extends true ? K : never]?: InferSchema<F[K]>;
  }
>;

/** One object to read instead of an intersection. */
type Flat<T> = { readonly [K in keyof T]: T[K] };

/** Names an `Error` already gives a meaning; such fields are read through `fields` only. */
type TakenName = "name" | "message" | "stack" | "cause" | "type" | "fields" | "toWire";

/** An error a contract declares: its values stand under `fields` and, where the name is free, on the error itself. */
export type DeclaredError<T extends string = string, D = object> = TrellisError & {
  readonly type: T;
  readonly fields: D;
} & Omit<D, TakenName>;

/** What `defineError` makes: construct it in a handler, compare with `instanceof` in a caller. */
export interface ErrorClass<T extends string = string, D = object> {
  new (...fields: ConstructorFields<D>): DeclaredError<T, D>;
  readonly type: T;
  /** Describes `fields`, which travel as the `context` of the wire body. */
  readonly schema: JsonSchema | undefined;
  /** Rebuilds the error from a reply's body; undefined when the body is not one of this class. */
  fromWire(body: unknown): DeclaredError<T, D> | undefined;
}

/** An error class of which only the wire side matters: what lists of declared errors hold. */
export interface AnyErrorClass {
  readonly type: string;
  readonly schema: JsonSchema | undefined;
  fromWire(body: unknown): TrellisError | undefined;
}

type ConstructorFields<D> = object extends D ? [fields?: D] : [fields: D];

/** What `defineError` takes. */
export interface ErrorDefinition<T extends string, F extends ErrorFields> {
  /** The name on the wire, the same for every language; also the key in a contract's `errors`. */
  readonly type: T;
  readonly fields?: F;
  /** The sentence people read; from the fields, never from anything secret. */
  readonly message: string | ((fields: ErrorData<F>) => string);
}

const TAKEN = new Set<string>(["name", "message", "stack", "cause", "type", "fields", "toWire"] satisfies TakenName[]);

const ERROR_TYPE = /^[A-Z][A-Za-z0-9]{0,63}$/;

/** Declares an error of a contract: a class with typed fields that crosses the wire and arrives as itself. */
export function defineError<const T extends string, const F extends ErrorFields = Record<never, never>>(
  definition: ErrorDefinition<T, F>,
): ErrorClass<T, ErrorData<F>> {
  const { type, message } = definition;
  const { schema, problems } = fieldsSchema(definition.fields);
  if (!ERROR_TYPE.test(type))
    problems.unshift({
      path: "/type",
      message: `"${type}" is not a name for an error`,
      fix: "use a capital letter, then letters or digits: OrderNotFound",
    });
  if (problems.length > 0) throw new ContractError(`The error ${type}`, problems);

  class DefinedError extends TrellisError {
    static readonly type = type;
    static readonly schema = schema;
    static fromWire(body: unknown): TrellisError | undefined {
      return isBodyOf(type, schema, body) ? new DefinedError(body.context ?? {}, body.message) : undefined;
    }

    override readonly name: string = type;
    readonly type = type;
    readonly fields: object;

    constructor(fields: object = {}, sentence?: string) {
      // The types of the class promise that only such fields arrive here; `fromWire` has checked them.
      super(sentence ?? (typeof message === "function" ? message(fields as ErrorData<F>) : message));
      this.fields = Object.freeze({ ...fields });
      for (const [name, value] of Object.entries(fields)) {
        if (!TAKEN.has(name)) Object.defineProperty(this, name, { value, enumerable: true });
      }
    }

    toWire(): Json {
      return schema === undefined ? {} : { context: asJson(this.fields) };
    }
  }
  Object.defineProperty(DefinedError, "name", { value: type });
  // A class cannot declare members whose names come from a type parameter; the constructor defines them.
  return DefinedError as unknown as ErrorClass<T, ErrorData<F>>;
}

interface WireBody {
  readonly message?: string;
  readonly context?: object;
}

function isBodyOf(type: string, schema: JsonSchema | undefined, body: unknown): body is WireBody {
  if (typeof body !== "object" || body === null || !("type" in body) || body.type !== type) return false;
  if ("message" in body && typeof body.message !== "string") return false;
  if (schema === undefined) return !("context" in body) || (typeof body.context === "object" && body.context !== null);
  return compileSchema(schema).check("context" in body ? body.context : {});
}

function fieldsSchema(fields: ErrorFields | undefined): { schema: JsonSchema | undefined; problems: Problem[] } {
  const names = Object.keys(fields ?? {});
  if (fields === undefined || names.length === 0) return { schema: undefined, problems: [] };
  const problems: Problem[] = [];
  const properties: { [name: string]: JsonSchema } = {};
  const required: string[] = [];
  for (const name of names) {
    const extracted = extractSchema(fields[name], `/fields/${name}`);
    if (extracted.schema === undefined) problems.push(...extracted.problems);
    else properties[name] = extracted.schema;
    if (!acceptsAbsence(fields[name])) required.push(name);
  }
  return { schema: { type: "object", properties, ...(required.length > 0 ? { required } : {}) }, problems };
}

/** Fields came through their schemas or a typed constructor; this drops what JSON would drop. */
function asJson(value: unknown): Json {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : asJson(item)));
  if (typeof value !== "object") return null;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [name, asJson(item)]),
  );
}
