import { defineAgentContract, defineError, defineServiceContract } from "@trellis/contracts";
import type { OperationError, RemoteError, AuthError, TransportError } from "@trellis/protocol";
import type { UnexpectedError, ValidationError } from "@trellis/protocol";
import type { Result } from "@trellis/result";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import type { TrellisClient } from "../client.ts";

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
      "Billing.Audit": { version: "v1", input: ref.schema("Asked"), output: ref.schema("Done") },
    },
  }),
);
const shop = defineAgentContract({
  id: "shop@v1",
  displayName: "Shop",
  description: "Starts.",
  uses: { required: { billing: billing.use({ operations: { call: ["Billing.Refund"] } }) } },
});
declare const client: TrellisClient<typeof shop>;
type Everywhere = AuthError | ValidationError | TransportError | UnexpectedError | RemoteError | OperationError;

test("a started operation knows its output, progress, errors and signals", async () => {
  const started = await client.operation.billing.refund.start({ order: "o" }, { key: "k", deadlineMs: 1 }).orThrow();
  expectTypeOf(started.created).toEqualTypeOf<boolean>();
  expectTypeOf(await started.wait()).toEqualTypeOf<Result<{ at: string }, InstanceType<typeof NoFunds> | Everywhere>>();
  for await (const update of started.watch())
    expectTypeOf(update.snapshot.progress).toEqualTypeOf<{ percent: number } | undefined>();
  await started.signal("approve", { by: "Ada" });
  // @ts-expect-error no such signal
  await started.signal("reject", { by: "Ada" });
  // @ts-expect-error not its input
  await started.signal("approve", { from: "Ada" });
  // @ts-expect-error not the input
  client.operation.billing.refund.start({ id: "o" });
  // @ts-expect-error not declared under uses
  void client.operation.billing.audit;
  expectTypeOf(client.operation.billing.refund.resume("id").id).toEqualTypeOf<string>();
  const named = await client.operation("Billing.Refund").input({ order: "o" }).start().orThrow();
  expectTypeOf(await named.wait().orThrow()).toEqualTypeOf<{ at: string }>();
});
