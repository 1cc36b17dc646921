import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { contractDigest, type Manifest } from "@trellis/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serviceGrants } from "../src/authority/grants.ts";
import { propose } from "../src/authority/proposals.ts";
import { createDeployment } from "../src/deployments/deployment-commands.ts";
import { provisionInstance } from "../src/deployments/instance-commands.ts";
import { ANN, manifestOf, newKey, startControl, type TestControl } from "./control-kit.ts";
import { startPlainNatsServer, until } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let control: TestControl;
beforeEach(async () => {
  server = await startPlainNatsServer();
  control = await startControl(server);
});
afterEach(async () => {
  await control.close();
  await server.remove();
});

function startReconciler() {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./reconciler-process.ts", import.meta.url)), server.url],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const ready = new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  return { ready, kill };
}

/** Eight buckets with this history: enough steps for a kill to land between two. */
const withBuckets = (history: number): Manifest =>
  manifestOf("orders@v1", {
    more: {
      resources: {
        kv: Object.fromEntries(
          Array.from({ length: 8 }, (_, at) => [`b${at}`, { purpose: "p", schema: { schema: "Any" }, history }]),
        ),
      },
    },
  });

test("SIGKILL of the reconciler in the middle of its work leaves nothing half done for long", async () => {
  const { context } = control;
  const key = newKey().text;
  const names = Array.from({ length: 10 }, (_, at) => `d${at}`);
  for (const name of names) await createDeployment(context, { name, mode: "mutable-dev", by: ANN });
  await provisionInstance(context, { deployment: "d9", sessionKey: key, by: ANN });
  const versions = (): readonly (number | undefined)[] =>
    names.map((name) => context.tables.authorities.get(name)?.value.materialized?.version);
  for (let round = 1; round <= 3; round += 1) {
    const child = startReconciler();
    await child.ready;
    await Promise.all(
      names.map((name) => propose(context, { deployment: name, manifest: withBuckets(round), by: ANN })),
    );
    // Killed as soon as somebody is done, so that others are under way.
    await until(() => versions().includes(round), "the first deployment of the round is materialized");
    await child.kill();
  }
  const last = startReconciler();
  await until(() => versions().every((version) => version === 3), "every deployment is materialized");
  await last.kill();
  const grants = serviceGrants(context, key, contractDigest(withBuckets(3)));
  expect(grants.ok && grants.value.bindings.kv["b7"]).toMatchObject({ bucket: "d9_b7", history: 3 });
}, 60_000);
