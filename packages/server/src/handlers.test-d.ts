import { defineError, defineServiceContract } from "@trellis/contracts";
import type { ShapeOf } from "@trellis/contracts";
import { AuthError } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import { Type } from "typebox";
import { expectTypeOf } from "vitest";
import type { Handle } from "./handlers.ts";

const Missing = defineError({ type: "Missing", fields: { id: Type.String() }, message: "missing" });
const Other = defineError({ type: "Other", fields: {}, message: "other" });
const contract = defineServiceContract(
  {
    schemas: {
      Id: Type.Object({ id: Type.String() }),
      Order: Type.Object({ id: Type.String(), count: Type.Integer() }),
    },
    errors: { Missing },
  },
  (ref) => ({
    id: "orders@v1",
    displayName: "Orders",
    description: "Orders.",
    rpc: {
      "Orders.Get": {
        version: "v1",
        input: ref.schema("Id"),
        output: ref.schema("Order"),
        errors: [ref.error("Missing")],
      },
      "Orders.Lines.List": { version: "v1", input: ref.schema("Id"), output: ref.schema("Order") },
    },
  }),
);

declare const handle: Handle<ShapeOf<typeof contract>, { readonly ask: () => number }, { readonly db: string }>;

handle.rpc.orders.get(({ input, client, deps, caller, signal }) => {
  expectTypeOf(input).toEqualTypeOf<{ id: string }>();
  expectTypeOf(client.ask()).toEqualTypeOf<number>();
  expectTypeOf(deps.db).toEqualTypeOf<string>();
  expectTypeOf(caller.name).toEqualTypeOf<string>();
  expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
  return input.id === "" ? err(new Missing({ id: "" })) : ok({ id: input.id, count: 1 });
});
handle.rpc.orders.get(async () => err(new AuthError("insufficient_permissions")));
handle.rpc.orders.linesList(() => AsyncResult.ok({ id: "", count: 1 }));

// @ts-expect-error -- an output the contract does not describe
handle.rpc.orders.get(() => ok({ id: "x" }));
// @ts-expect-error -- an error the contract does not declare
handle.rpc.orders.get(() => err(new Other({})));
// @ts-expect-error -- this RPC declares no error at all
handle.rpc.orders.linesList(() => err(new Missing({ id: "" })));
// @ts-expect-error -- a bare value is no Result
handle.rpc.orders.get(() => ({ id: "x", count: 1 }));
// @ts-expect-error -- a name the contract does not own
handle.rpc.orders.remove(() => ok({}));
