import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { stock } from "./stock-contract.ts";

const folder = mkdtempSync(join(tmpdir(), "trellis-full-"));
// A disk of our own to fill; where that is not allowed there is nothing to try.
const isMounted = mount();
afterAll(() => {
  if (isMounted) execFileSync("umount", ["--lazy", folder]);
  rmSync(folder, { recursive: true, force: true });
});

function mount(): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const SMALL = 1 << 22;

it.runIf(isMounted)(
  "a full disk loses nothing that was acknowledged, is told of, and is over after room and a restart",
  { timeout: 240_000 },
  async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = folder;
    await using platform = await startPlatform({
      config: { eventsMaxBytes: SMALL, deadEventsMaxBytes: SMALL, jobsMaxBytes: SMALL, reconcileSweepMs: 1_000 },
    });
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    const { kv } = await platform.connectService(stock, { name: "stock" });
    const { bavail, bsize } = statfsSync(folder);
    writeFileSync(join(folder, "ballast"), Buffer.alloc(bavail * bsize - 128 * 1024));

    const acknowledged: number[] = [];
    let refused: { readonly code: string; readonly message: string } | undefined;
    for (let n = 0; refused === undefined && n < 100; n += 1) {
      const stored = await kv.blobs.put(`k${n}`, { text: String(n).padEnd(20_000, "x") });
      if (stored.ok) acknowledged.push(n);
      else refused = stored.error;
    }
    // JetStream says nothing at all, so nobody knows; the servers say it to whoever asks how they are.
    expect(refused).toMatchObject({ code: "unavailable", message: expect.stringContaining("may or may not") });
    const storage = async (): Promise<unknown> => {
      const answer: { checks: { name: string }[] } = await (await fetch(`${platform.url}/readyz`)).json();
      return answer.checks.find(({ name }) => name === "storage");
    };
    expect(await eventually("readiness tells of it", storage)).toEqual({
      name: "storage",
      ready: true,
      warning: true,
      detail:
        "server n1: a stream cannot be written any more (no space left on device); make room, then restart that server",
    });
    // What is there can be read.
    expect(await kv.blobs.keys().orThrow()).toEqual(expect.arrayContaining(acknowledged.map((n) => `k${n}`)));

    rmSync(join(folder, "ballast"));
    await platform.local.nats.nodes[0]?.restart();
    await eventually("it can be written again", async () => (await kv.blobs.put("after", { text: "room" })).ok, 60_000);
    for (const n of acknowledged)
      expect((await kv.blobs.get(`k${n}`, { fresh: true }).orThrow())?.value.text.startsWith(`${n}x`)).toBe(true);
    await eventually("the warning is gone", async () => (await storage()) === undefined);
    expect((await platform.admin.rpc.auth.deploymentsCreate({ name: "another" })).ok).toBe(true);
  },
);
