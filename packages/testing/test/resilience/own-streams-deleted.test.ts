import { SILENT_LOG } from "@trellis/server";
import { expect, it } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { connectData } from "../jobs/direct.ts";
import { notes } from "../state/notes-contract.ts";
import { eventually } from "./kit/eventually.ts";
import { work } from "./kit/work-contract.ts";

it("what the control plane stores for itself is made anew when somebody deletes it, and everything works again", async () => {
  await using platform = await startPlatform({ config: { reconcileSweepMs: 500 } });
  await using data = await connectData(platform);
  const person = await platform.connectClient(notes);
  await person.state.preferences.put({ theme: "dark", size: 1 }).orThrow();

  const own = ["KV_STATE", "SESSIONS", "CLAIMS", "LEASES", "AUDIT"];
  for (const stream of own) {
    const deleted = (await data.request(`$JS.API.STREAM.DELETE.${stream}`, "")).json<{ success?: boolean }>();
    expect(deleted.success, stream).toBe(true);
  }

  await eventually("state is kept", async () => {
    const put = await person.state.preferences.put({ theme: "light", size: 2 }, { timeoutMs: 1_000 });
    return put.ok;
  });
  const other = await platform.connectClient(notes);
  expect((await other.state.preferences.get().orThrow())?.value).toEqual({ theme: "light", size: 2 });
  // Its plan is reconciled by whoever holds the lease, and written to the audit log.
  await using _service = await platform.connectService(work, { log: SILENT_LOG });
  await eventually("it was written down", async () => {
    const { records } = await platform.admin.rpc.auth.auditList({}).orThrow();
    return records.some(({ target }) => target === "work");
  });
}, 90_000);
