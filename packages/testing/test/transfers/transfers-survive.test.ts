import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import type { Program } from "../../src/program.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { QUIET } from "../resilience/kit/quiet.ts";
import { madeBytes, sha256 } from "./kit/lending.ts";
import { spawnLibrary, spawnSender } from "./kit/libraries.ts";
import { reader } from "./kit/library-contract.ts";

const MADE = 30_000_000;

describe("a transfer survives", { timeout: 120_000 }, () => {
  let platform: TestPlatform;
  const replicas: Program[] = [];
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.kill()));
    await platform.stop();
  });
  /** Two replicas that serve, whoever died before. */
  const twoReplicas = async (): Promise<void> => {
    while (replicas.filter((replica) => replica.running).length < 2) replicas.push(await spawnLibrary(platform));
  };
  const kill = async (pid: number): Promise<void> => {
    const victim = replicas.find((replica) => replica.pid === pid);
    expect(victim?.running).toBe(true);
    await victim?.kill();
  };

  it("its replica being killed during a download: it goes on at another, and is what was sent", async () => {
    await twoReplicas();
    const client = await platform.connectClient(reader, QUIET);
    const download = await client.rpc.files.make({ bytes: MADE, restarts: true, pauseMs: 1 }).orThrow();
    const pieces: Uint8Array[] = [];
    let received = 0;
    for await (const piece of download.read()) {
      pieces.push(piece);
      received += piece.length;
      if (pieces.length === 40) await kill(download.output.pid);
    }
    expect(received).toBe(MADE);
    expect(Buffer.concat(pieces).equals(madeBytes(0, MADE))).toBe(true);
  });

  it("not that, when its source can be read once only: then it says so", async () => {
    await twoReplicas();
    const client = await platform.connectClient(reader, QUIET);
    const download = await client.rpc.files.make({ bytes: MADE, pauseMs: 1 }).orThrow();
    let count = 0;
    const outcome = (async () => {
      for await (const _ of download.read()) if ((count += 1) === 40) await kill(download.output.pid);
    })();
    await expect(outcome).rejects.toMatchObject({ name: "TransferError", code: "interrupted" });
    expect(count).toBeLessThan(MADE / 131_072);
  });

  it("every replica being killed once during an upload: it goes on at the next, and is what was sent", async () => {
    await twoReplicas();
    const client = await platform.connectClient(reader, QUIET);
    const bytes = madeBytes(0, MADE);
    const doomed = replicas.filter((replica) => replica.running);
    async function* deadly(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 131_072) {
        if (at > (3 - doomed.length) * 8_000_000) {
          await doomed.shift()?.kill();
          await twoReplicas();
        }
        yield bytes.subarray(at, at + 131_072);
      }
    }
    const started = await client.operation.files.put
      .input({ name: "survivor" })
      .transfer(deadly(), { patienceMs: 90_000 })
      .start()
      .orThrow();
    expect(await started.uploaded.orThrow()).toEqual({ size: MADE, digest: sha256(bytes) });
    expect(await started.wait().orThrow()).toMatchObject({ name: "survivor", size: MADE });
    expect(doomed).toEqual([]);
    const download = await client.rpc.files.read({ name: "survivor" }).orThrow();
    expect(sha256(await download.bytes().orThrow())).toBe(sha256(bytes));
  });

  it("not its sender: nothing of it is to be seen", async () => {
    await twoReplicas();
    const client = await platform.connectClient(reader, QUIET);
    const sender = spawnSender(platform, 2 ** 31, "orphan");
    await sender.said(/sent [1-9]\d{6}/, 60_000);
    await sender.kill();
    expect(await client.rpc.files.read({ name: "orphan" })).toMatchObject({ ok: false, error: { name: "NoSuchFile" } });
  });

  it("NATS being killed and started again", async () => {
    await twoReplicas();
    const client = await platform.connectClient(reader, QUIET);
    const download = await client.rpc.files.make({ bytes: MADE, restarts: true, pauseMs: 1 }).orThrow();
    const pieces: Uint8Array[] = [];
    for await (const piece of download.read()) {
      pieces.push(piece);
      if (pieces.length === 30) {
        const [node] = platform.local.nats.nodes;
        await node?.stop({ signal: "SIGKILL" });
        await node?.start();
        await eventually("the connection is back", () => client.connection.state === "connected");
      }
    }
    expect(Buffer.concat(pieces).equals(madeBytes(0, MADE))).toBe(true);
  });
});
