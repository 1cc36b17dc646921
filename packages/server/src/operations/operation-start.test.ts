import { isOperationId } from "@trellis/protocol";
import { expect, it } from "vitest";
import { operationId } from "./operation-start.ts";

it("names an operation so that a command does not take it for an option, and each start otherwise", () => {
  const ids = Array.from({ length: 2_000 }, (_, n) => operationId("ada", "Billing.Refund", `key ${n}`));
  expect(ids.filter((id) => id.startsWith("-"))).toEqual([]);
  expect(ids.every(isOperationId)).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  expect(operationId("ada", "Billing.Refund", "key 7")).toBe(ids[7]);
});
