/** A bound on untrusted input, and why it is where it is. */
export interface Limit {
  readonly value: number;
  readonly reason: string;
}

/** Every bound of this package in one place. */
export const LIMITS = {
  manifestBytes: {
    value: 512 * 1024,
    reason: "a manifest travels in one NATS message (1 MiB) together with its envelope",
  },
  manifestDepth: { value: 96, reason: "every step over a manifest may recurse; real manifests stay below 30 levels" },
  manifestValues: { value: 100_000, reason: "more values than this take longer to check than a connect may take" },
  surfaces: {
    value: 1_000,
    reason: "each surface becomes several subjects of a NATS user JWT, which must fit in one message",
  },
  schemas: { value: 1_000, reason: "each schema is compiled once per process that uses it" },
  capabilities: { value: 500, reason: "a person has to be able to review them" },
  aliases: { value: 200, reason: "a contract that uses more contracts than this cannot be reviewed" },
  rateLimit: { value: 1_000, reason: "the times of so many beginnings are rewritten with every one of them" },
  schedules: { value: 100, reason: "the control plane looks at every schedule of every queue each second" },
  listItems: { value: 500, reason: "selector and capability lists are compared and sorted on every check" },
  schemaNodes: { value: 5_000, reason: "compile time and memory grow with the number of subschemas" },
  schemaDepth: { value: 64, reason: "checking a value recurses as deep as its schema" },
  schemaBranches: { value: 10_000, reason: "alternatives inside alternatives multiply the work of one check" },
  patternSteps: {
    value: 100_000,
    reason: "every pattern of a manifest is built once to see whether it can be; building costs time in proportion",
  },
  textLength: { value: 16_384, reason: "descriptions are shown to people; longer prose belongs in docs" },
  markdownLength: { value: 131_072, reason: "documentation of one surface is read on one page" },
  problems: { value: 200, reason: "nobody reads more problems than this at once" },
} as const satisfies { readonly [name: string]: Limit };
