import { join } from "node:path";
import { TrellisClient } from "@trellis/client/node";
import { defineAgentContract } from "@trellis/contracts";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Preferences = Type.Object({ theme: Type.String() });
const notes = defineAgentContract({ schemas: { Preferences, Note: Type.String() } }, (ref) => ({
  id: "notes@v1",
  displayName: "Notes",
  description: "Takes notes.",
  state: {
    preferences: { kind: "value", schema: ref.schema("Preferences") },
    notes: { kind: "map", schema: ref.schema("Note") },
  },
}));

let folder: LocalFolder;
let client: TrellisClient<typeof notes>;

beforeAll(async () => {
  folder = await startInFolder();
  client = await TrellisClient.connect({ contract: notes, cwd: folder.cwd, env: {}, onNotice: () => undefined });
});
afterAll(async () => {
  await client?.close();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(["state", ...args], { cwd: folder.cwd });
/** The developer of the folder's platform. */
const user = async (): Promise<string> => {
  const me = await client.rpc.auth.sessionsMe({}).orThrow();
  return me.session.principal.name;
};

test("a person sees that there is nothing yet, stores, reads, lists and deletes", async () => {
  expect((await trellis()).stdout).toContain("Nothing is remembered for you here.");
  expect(await trellis("get", "notes", "preferences")).toMatchObject({ exitCode: EXIT.notFound, stdout: "" });

  const put = await trellis("put", "notes", "preferences", '{"theme":"dark"}', "--json");
  expect(put).toMatchObject({ exitCode: EXIT.ok });
  const { revision }: { revision: number } = JSON.parse(put.stdout);
  expect(await client.state.preferences.get().orThrow()).toMatchObject({ value: { theme: "dark" }, revision });
  expect((await trellis("get", "notes@v1", "preferences")).stdout).toBe('{\n  "theme": "dark"\n}\n');
  const late = await trellis("put", "notes", "preferences", '{"theme":"x"}', "--revision", "0");
  expect(late.exitCode).not.toBe(EXIT.ok);
  expect(late.stderr).toContain(`is at revision ${revision} now`);

  expect((await trellis("put", "notes", "notes", "drafts/1", '"hello"')).stdout).toMatch(/^stored at revision \d+\n$/);
  await client.state.notes.put("other", "x").orThrow();
  const listed = await trellis("list", "notes", "notes", "drafts/", "--json");
  expect(JSON.parse(listed.stdout)).toMatchObject([{ key: "drafts/1", value: "hello" }]);
  expect((await trellis("stores")).stdout).toMatch(/notes +notes +map +2\nnotes +preferences +value +1/);
  expect((await trellis("delete", "notes", "notes", "drafts/1", "--revision", "1")).exitCode).not.toBe(EXIT.ok);
  const [{ revision: present }] = JSON.parse(listed.stdout);
  const drafts = ["delete", "notes", "notes", "drafts/1", "--revision", String(present)];
  expect((await trellis(...drafts)).stdout).toBe("deleted\n");
  expect((await trellis("delete", "notes", "notes", "drafts/1")).stdout).toBe("there was nothing\n");
  expect((await trellis("put", "notes", "notes", "brief", '"x"', "--ttl", "1")).exitCode).toBe(EXIT.ok);
  await expect
    .poll(async () => (await trellis("get", "notes", "notes", "brief")).exitCode, { timeout: 20_000 })
    .toBe(EXIT.notFound);
});

test("what does not fit, is not there or is used wrongly is said", async () => {
  const unfit = await trellis("put", "notes", "preferences", '{"theme":1}');
  expect(unfit.exitCode).toBe(EXIT.usage);
  expect(unfit.stderr).toContain("/theme");
  expect((await trellis("put", "notes", "preferences", "{theme")).stderr).toContain("the input is not JSON");
  expect((await trellis("get", "notes", "notes")).stderr).toContain("notes is a map");
  expect((await trellis("list", "notes", "preferences")).stderr).toContain("is one value");
  expect(await trellis("get", "notes", "preference")).toMatchObject({
    exitCode: EXIT.notFound,
    stderr: expect.stringContaining("preferences"),
  });
  expect((await trellis("get", "nothing", "preferences")).stderr).toContain("no contract nothing that declares state");
});

test("a person watches", async () => {
  const watching = trellis("watch", "notes", "notes", "--limit", "1", "--json");
  expect((await watching).stdout).toMatch(/^\{"type":"put","key":"other","value":"x","revision":\d+,"at":".*"\}\n$/);
});

test("a program watches what another session does, until it is stopped", async () => {
  const stop = new AbortController();
  const watching = runCaptured(["state", "watch", "notes", "notes", "--json"], {
    cwd: folder.cwd,
    signal: stop.signal,
  });
  // Whenever it has begun to watch, something comes.
  const writing = (async () => {
    for (let n = 1; !stop.signal.aborted; n += 1) {
      await (n % 3 === 0 ? client.state.notes.delete("live") : client.state.notes.put("live", `${n}`)).orThrow();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await client.state.notes.delete("live").orThrow();
  })();
  setTimeout(() => stop.abort(), 3_000);
  const { exitCode, stdout } = await watching;
  await writing;
  expect(exitCode).toBe(EXIT.ok);
  const changes: { readonly type: string; readonly key?: string; readonly reason?: string }[] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const after = changes.slice(changes.findIndex(({ type }) => type === "ready") + 1);
  expect(after.length).toBeLessThan(changes.length);
  expect(after).toContainEqual(expect.objectContaining({ type: "put", key: "live" }));
  expect(after).toContainEqual({ type: "end", key: "live", reason: "deleted" });
});

test("an operator inspects and purges", async () => {
  const name = await user();
  expect((await trellis("inspect", name)).stdout).toMatch(/notes +preferences +value +1/);
  expect((await trellis("inspect", name, "notes", "notes")).stdout).toMatch(/other +v1 +\d+ +\S+ +"x"/);
  expect((await trellis("inspect", "nobody")).exitCode).toBe(EXIT.notFound);
  const refused = await trellis("purge", name, "notes");
  expect(refused.exitCode).toBe(EXIT.refused);
  expect(refused.stderr).toContain(`trellis state purge ${name} notes --acknowledge`);
  expect((await trellis("purge", name, "notes", "--acknowledge")).stdout).toBe(`ended 2 entries of ${name}\n`);
  expect(await client.state.preferences.get().orThrow()).toBeUndefined();
  expect((await runCaptured(["audit", "--json"], { cwd: folder.cwd })).stdout).toContain("state.purge");
  expect(join(folder.cwd, ".trellis")).toContain(".trellis");
});
