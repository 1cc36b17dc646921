import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNodeSessionKey } from "@trellis/auth/node";
import { defineAgentContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { startPlatform } from "@trellis/testing";
import type { TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SILENT_LOG, TrellisService } from "../src/node.ts";
import { testContract } from "./contract.ts";
import { until } from "./kit.ts";

const callerContract = defineAgentContract({}, () => ({
  id: "caller@v1",
  displayName: "Caller",
  description: "Calls the test service.",
  uses: { required: { test: testContract.use({ rpc: { call: ["Test.Echo"] } }) } },
}));

let platform: TestPlatform;
let folder: string;

beforeAll(async () => {
  platform = await startPlatform();
  folder = await mkdtemp(join(tmpdir(), "trellis-local-"));
  await mkdir(join(folder, ".trellis"));
  const address = { url: platform.url, developerKeyFile: platform.local.developer.keyFile };
  await writeFile(join(folder, ".trellis", "local.json"), JSON.stringify(address), { mode: 0o600 });
});
afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

async function serve(told: string[]) {
  const service = await TrellisService.connect({
    contract: testContract,
    name: "test",
    cwd: folder,
    env: {},
    log: SILENT_LOG,
    onNotice: (message) => void told.push(message),
  });
  service.handle.rpc.test.echo(({ input }) => ok(input));
  service.handle.rpc.test.slowWork(() => ok({}));
  await service.start();
  return service;
}

test("on a laptop a service registers itself once, says each step, and answers signed calls", async () => {
  const told: string[] = [];
  const service = await serve(told);
  expect(
    told.filter((line) => /^(Made a key|Created the deployment|Registered this instance)/.test(line)),
  ).toHaveLength(3);

  const client = await platform.connectClient(callerContract);
  const answers = async (): Promise<boolean> => (await client.rpc.test.echo({ text: "hello" })).ok;
  await until(answers);

  // A change that concerns neither of them, heard by the service, must not stop the work.
  await platform.admin.rpc.auth.deploymentsCreate({ name: "other", mode: "mutable-dev" }).orThrow();
  await platform.admin.rpc.auth
    .instancesProvision({ deployment: "other", sessionKey: createNodeSessionKey().publicKey })
    .orThrow();
  for (let turn = 0; turn < 50; turn += 1) {
    expect(await client.rpc.test.echo({ text: String(turn) })).toEqual(ok({ text: String(turn) }));
  }
  const newcomer = await platform.connectClient(callerContract);
  expect(await newcomer.rpc.test.echo({ text: "new" })).toEqual(ok({ text: "new" }));
  await Promise.all([newcomer.close(), client.close()]);
  await service.stop();

  const again: string[] = [];
  await (await serve(again)).stop();
  expect(again.filter((line) => /Made|Created|Registered/.test(line))).toEqual([]);
});

test("a key the platform does not know is answered with the command that registers one", async () => {
  const connecting = TrellisService.connect({
    contract: testContract,
    name: "test",
    url: platform.url,
    key: createNodeSessionKey(),
    cwd: tmpdir(),
    env: {},
    onNotice: () => undefined,
  });
  await expect(connecting).rejects.toThrow(/does not know the key of test.*trellis svc provision test/s);
});
