import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { connect } from "@nats-io/transport-node";
import { contractDigest, NO_BINDINGS } from "@trellis/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeEnvelope } from "../src/registry/envelope.ts";
import { builtinContracts } from "../src/catalog/builtins.ts";
import { openRegistry } from "../src/registry/open.ts";
import { recordSubject } from "../src/registry/record-subject.ts";
import type { TableDefinition } from "../src/registry/registry.ts";
import { AUTHORITIES, CONTRACTS, DEPLOYMENTS, INSTANCES } from "../src/tables.ts";
import type { Authority } from "../src/tables.ts";
import { ANN, manifestOf, newKey } from "./control-kit.ts";
import { startPlainNatsServer } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

const DEPLOYMENT_COUNT = 10_000;
let server: PlainNatsServer;

beforeAll(async () => {
  server = await startPlainNatsServer();
});
afterAll(() => server.remove());

// How long that takes and how much memory it needs is asserted by `npm run bench -- start`.
test("a control plane that starts on 10 000 deployments knows all of them, active", async () => {
  const nc = await connect({ servers: server.url });
  await (await openRegistry({ nc, replicas: 1 })).close();
  // Written straight into the stream, as that many transactions would have left it.
  const write = <T>(table: TableDefinition<T>, id: string, value: T): void =>
    nc.publish(
      recordSubject(table.name, id),
      encodeEnvelope({
        version: table.version,
        tx: "aaaaaaaaaaaa",
        part: 1,
        of: 1,
        after: ["bbbbbbbbbbbb"],
        deleted: false,
        value,
      }),
    );
  const now = Date.now();
  const key = newKey().text;
  for (let at = 0; at < DEPLOYMENT_COUNT; at += 1) {
    const name = `service-${at}`;
    const manifest = manifestOf(`service${at}@v1`, {
      rpc: { [`Group${at}.Get`]: [`service${at}::read`], [`Group${at}.List`]: [] },
      events: [`Group${at}.Changed`],
    });
    const digest = contractDigest(manifest);
    const accepted = {
      version: 1,
      contractId: manifest.id,
      digest,
      kind: "update",
      planId: "p",
      at: now,
      by: ANN,
      automatic: true,
    } as const;
    const authority: Authority = {
      deployment: name,
      version: 1,
      desired: accepted,
      accepted: [digest],
      materialized: {
        version: 1,
        contractId: manifest.id,
        digest,
        bindings: { ...NO_BINDINGS, service: name },
        at: now,
        fingerprint: "x",
        follows: true,
      },
      reconcile: { state: "done", attempts: 1, updatedAt: now, problems: [] },
      history: [accepted],
    };
    write(DEPLOYMENTS, name, { name, mode: "strict", enabled: true, createdAt: now, createdBy: ANN });
    write(INSTANCES, key.slice(0, 30) + String(at).padStart(13, "0"), {
      sessionKey: key,
      deployment: name,
      enabled: true,
      createdAt: now,
      createdBy: ANN,
    });
    write(CONTRACTS, digest, {
      digest,
      contractId: manifest.id,
      manifest,
      firstSeenAt: now,
      presentedAt: now,
      kept: true,
      presentedBy: ANN,
    });
    write(AUTHORITIES, name, authority);
    if (at % 500 === 0) await nc.flush();
  }
  await nc.flush();
  await nc.close();

  const child = new URL("./start-on-full-registry.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [child, server.url]);
  expect(JSON.parse(stdout)).toEqual({
    deployments: DEPLOYMENT_COUNT,
    instances: DEPLOYMENT_COUNT,
    // Its own contracts are active as well.
    active: DEPLOYMENT_COUNT + builtinContracts().length,
  });
}, 300_000);
