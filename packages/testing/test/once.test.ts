import { createNodeSessionKey, nodeCrypto, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import { connectSession } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { decodeError, isErrorReply } from "@trellis/protocol";
import { ok } from "@trellis/result";
import { Type } from "typebox";
import { expect, it } from "vitest";
import { startPlatform } from "../src/index.ts";

const payments = defineServiceContract({ schemas: { Nothing: Type.Object({}) } }, (ref) => ({
  id: "payments@v1",
  displayName: "Payments",
  description: "Takes money.",
  rpc: {
    "Payments.Charge": { version: "v1", input: ref.schema("Nothing"), output: ref.schema("Nothing"), once: true },
  },
}));
const till = defineAgentContract({
  id: "till@v1",
  displayName: "Till",
  description: "Charges.",
  uses: { required: { payments: payments.use({ rpc: { call: ["Payments.Charge"] } }) } },
});

it("a request of a `once` RPC runs one time, whichever replicas its bytes reach", async () => {
  await using platform = await startPlatform({ controlPlanes: 2 });
  let charged = 0;
  for (let replica = 0; replica < 3; replica += 1) {
    const service = await platform.connectService(payments, { name: "payments" });
    service.handle.rpc.payments.charge(() => {
      charged += 1;
      return ok({});
    });
    await service.start();
  }
  const session = await connectSession({
    url: platform.url,
    key: createNodeSessionKey(),
    enrol: nodeSessionKey(readSeedFile(platform.local.developer.keyFile)),
    contract: till,
    kind: "agent",
    crypto: nodeCrypto,
    connect: nodeConnect,
    transport: "tcp",
  });
  const subject = "rpc.v1.Payments.Charge";
  const payload = new TextEncoder().encode("{}");
  const headers = session.signer.sign(subject, payload, 5000);

  const answers = await Promise.all(
    Array.from({ length: 20 }, () => session.link.request(subject, payload, { headers, timeoutMs: 5000 })),
  );

  expect(charged).toBe(1);
  const refused = answers.filter((answer) => isErrorReply(answer.headers)).map((answer) => decodeError(answer.data));
  expect(refused).toHaveLength(19);
  for (const error of refused) expect(error).toMatchObject({ type: "AuthError", reason: "replayed" });
  await session.close();
});
