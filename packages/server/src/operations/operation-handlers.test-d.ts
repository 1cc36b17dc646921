import { defineError, defineServiceContract } from "@trellis/contracts";
import type { ShapeOf } from "@trellis/contracts";
import { err, ok } from "@trellis/result";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import type { OperationControls, OperationRegistrars } from "./operation-handlers.ts";

const NoFunds = defineError({ type: "NoFunds", message: "There is nothing left." });
const billing = defineServiceContract(
  {
    schemas: {
      Asked: Type.Object({ order: Type.String() }),
      Percent: Type.Object({ percent: Type.Number() }),
      Done: Type.Object({ at: Type.String() }),
      Approval: Type.Object({ by: Type.String() }),
    },
    errors: { NoFunds },
  },
  (ref) => ({
    id: "billing@v1",
    displayName: "Billing",
    description: "Billing.",
    operations: {
      "Billing.Refund": {
        version: "v1",
        input: ref.schema("Asked"),
        progress: ref.schema("Percent"),
        output: ref.schema("Done"),
        signals: { approve: { input: ref.schema("Approval") } },
        errors: [ref.error("NoFunds")],
      },
    },
  }),
);
declare const operation: OperationRegistrars<ShapeOf<typeof billing>>;
declare const controls: OperationControls<ShapeOf<typeof billing>>;

test("a handler gets what the contract says and answers what it says", () => {
  operation.billing.refund(async ({ input, op, attempt }) => {
    expectTypeOf(input).toEqualTypeOf<{ order: string }>();
    expectTypeOf(attempt).toEqualTypeOf<number>();
    op.progress({ percent: 1 });
    // @ts-expect-error not the progress of the contract
    op.progress({ done: 1 });
    expectTypeOf(await op.step("charge", () => 7)).toEqualTypeOf<number>();
    expectTypeOf(await op.nextSignal("approve")).toEqualTypeOf<{ by: string }>();
    // @ts-expect-error no such signal
    await op.nextSignal("reject");
    for await (const signal of op.signals()) expectTypeOf(signal.name).toEqualTypeOf<"approve">();
    return attempt > 1 ? err(new NoFunds({})) : ok({ at: "now" });
  });
  operation.billing.refund(({ op }) => op.defer());
  // @ts-expect-error not the output
  operation.billing.refund(() => ok({ when: 1 }));
  // @ts-expect-error not an error of the operation
  operation.billing.refund(() => err(new Error("no")));
  // @ts-expect-error no such operation
  void operation.billing.charge;
});

test("what is deferred is ended with what the contract says", async () => {
  const control = controls.billing.refund.control("id");
  await control.complete({ at: "now" });
  await control.fail(new NoFunds({}));
  // @ts-expect-error not the output
  await control.complete({ percent: 1 });
});
