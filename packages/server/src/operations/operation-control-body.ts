import { compileSchema } from "@trellis/contracts";
import type { CompiledSchema, JsonSchema } from "@trellis/contracts";

/** The body of every control action; what does not concern an action is left out. */
export const CONTROL_BODY: CompiledSchema = compileSchema({
  type: "object",
  required: ["operationId"],
  properties: {
    operationId: { type: "string", maxLength: 113 },
    includeProgress: { type: "boolean" },
    signal: { type: "string", maxLength: 200 },
    input: {},
    token: { type: "string", maxLength: 64 },
    reason: { type: "string", maxLength: 1_000 },
  },
});

/** The body of a start. */
export function startBody(input: JsonSchema): CompiledSchema {
  return compileSchema({
    type: "object",
    required: ["input"],
    properties: {
      input,
      key: { type: "string", minLength: 1, maxLength: 256 },
      token: { type: "string", minLength: 1, maxLength: 64 },
      deadlineMs: { type: "number", exclusiveMinimum: 0 },
    },
  });
}
