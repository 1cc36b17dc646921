import { defineAgentContract, defineError, defineServiceContract } from "@trellis/contracts";
import type { RemoteError, AuthError, TransportError, UnexpectedError, ValidationError } from "@trellis/protocol";
import type { Result } from "@trellis/result";
import { Type } from "typebox";
import { expectTypeOf, test } from "vitest";
import type { TrellisClient } from "./client.ts";

const NoThing = defineError({ type: "NoThing", fields: { id: Type.String() }, message: ({ id }) => `No thing ${id}` });
const things = defineServiceContract(
  {
    schemas: { Id: Type.Object({ id: Type.String() }), Thing: Type.Object({ size: Type.Number() }) },
    errors: { NoThing },
  },
  (ref) => ({
    id: "things@v1",
    displayName: "Things",
    description: "Things.",
    rpc: {
      "Things.Get": {
        version: "v1",
        input: ref.schema("Id"),
        output: ref.schema("Thing"),
        errors: [ref.error("NoThing")],
      },
      "Things.Hidden": { version: "v1", input: ref.schema("Id"), output: ref.schema("Thing") },
    },
  }),
);
const viewer = defineAgentContract({
  id: "viewer@v1",
  displayName: "Viewer",
  description: "Looks.",
  uses: { required: { things: things.use({ rpc: { call: ["Things.Get"] } }) } },
});

declare const client: TrellisClient<typeof viewer>;
type Everywhere = AuthError | ValidationError | TransportError | UnexpectedError | RemoteError;

test("a call knows its input, its output and every error it can end with", async () => {
  const result = await client.rpc.things.get({ id: "t" });
  expectTypeOf(result).toEqualTypeOf<Result<{ size: number }, InstanceType<typeof NoThing> | Everywhere>>();
  expectTypeOf(client.request("Things.Get", { id: "t" }).orThrow()).resolves.toEqualTypeOf<{ size: number }>();
});

test("what the contract does not declare does not compile", () => {
  // @ts-expect-error not selected
  void client.rpc.things.hidden;
  // @ts-expect-error not selected
  void client.request("Things.Hidden", { id: "t" });
  // @ts-expect-error a number is no id
  void client.rpc.things.get({ id: 1 });
  // @ts-expect-error the input is not optional
  void client.rpc.things.get();
});

test("what everybody may call is there", () => {
  expectTypeOf(client.rpc.auth.sessionsMe).toBeFunction();
  expectTypeOf(client.rpc.trellis.surfaceStatus).toBeFunction();
});
