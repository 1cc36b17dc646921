/**
 * JSON pointers into a payload, in the type system: an event's parameters must lead to a value that fits into one
 * token of a subject. The run-time rule is `schemaAt`.
 */

/** `true` when a pointer leads to a scalar of the payload, or when the types cannot tell. */
export type Resolves<Payload, Pointer> = Pointer extends `/${infer Path}` ? IsScalar<At<Payload, Path>> : false;

/** The pointers of the first level, for messages and completion. */
export type PointersOf<Payload> = unknown extends Payload
  ? `/${string}`
  : Payload extends object
    ? FirstLevel<Payload>
    : never;

/** As keys, so that messages list the pointers instead of naming this type. */
type FirstLevel<Payload> = keyof {
  readonly [K in keyof Payload & string as IsScalar<Payload[K]> extends true ? `/${K}` : never]: true;
};

interface Missing {
  readonly "~missing": true;
}

type At<T, Path extends string> = unknown extends T
  ? unknown
  : Path extends `${infer Head}/${infer Tail}`
    ? At<Step<T, Head>, Tail>
    : Step<T, Path>;

type Step<T, Key extends string> = Key extends `${string}~${string}`
  ? unknown
  : T extends readonly unknown[]
    ? Missing
    : Key extends keyof T
      ? T[Key]
      : T extends null | undefined
        ? never
        : Missing;

type IsScalar<T> = [T] extends [never]
  ? false
  : unknown extends T
    ? true
    : [Extract<T, object>] extends [never]
      ? true
      : false;
