import { deploymentOfOperation } from "@trellis/protocol";
import { expect, it } from "vitest";
import { operationId } from "./operation-start.ts";

it("names an operation by its deployment, and each start otherwise", () => {
  const ids = Array.from({ length: 2_000 }, (_, n) => operationId("billing-eu", "ada", "Billing.Refund", `key ${n}`));
  expect(ids.filter((id) => deploymentOfOperation(id) !== "billing-eu")).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(operationId("billing-eu", "ada", "Billing.Refund", "key 7")).toBe(ids[7]);
});
