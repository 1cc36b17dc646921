import assert from "node:assert/strict";
import { test } from "node:test";
import { defineAgentContract } from "@trellis/contracts";
import { startPlatform } from "@trellis/testing";
import contract, { ItemNotFound } from "./contract.ts";
import { registerHandlers } from "./handlers.ts";

const caller = defineAgentContract({
  id: "sample-service-test@v1",
  displayName: "Test",
  description: "Calls sample-service.",
  uses: { required: { target: contract.use({ rpc: { call: ["SampleService.Get"] } }) } },
});

test("an item is found, and a missing one is an error of its own", async () => {
  await using platform = await startPlatform(); // a real nats-server and control plane
  const service = await platform.connectService(contract);
  registerHandlers(service);
  await service.start();
  const client = await platform.connectClient(caller);

  assert.deepEqual(await client.rpc.sampleService.get({ id: "o_1" }).orThrow(), { id: "o_1", status: "placed" });
  const missing = await client.rpc.sampleService.get({ id: "o_404" });
  assert.ok(!missing.ok && missing.error instanceof ItemNotFound);
});
