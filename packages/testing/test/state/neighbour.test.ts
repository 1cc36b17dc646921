import { createNodeSessionKey } from "@trellis/auth/node";
import { defineAgentContract, defineServiceContract, type Manifest } from "@trellis/contracts";
import { inboxPrefix, randomToken } from "@trellis/protocol";
import { NotFound } from "@trellis/sdk";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePerson, type Person } from "../feeds/kit/people.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { connectUnchecked } from "../resilience/kit/raw-caller.ts";
import { fullService } from "../security/kit/hostile-manifests.ts";
import { type Laboratory, openLaboratory } from "../security/kit/laboratory.ts";
import { collectState } from "./collect-state.ts";
import { notes } from "./notes-contract.ts";

const SECRET = "the treasure is under the oak";

/** Two people, their programs, and what one of them would like to know of the other. */
describe("a hostile neighbour", () => {
  let lab: Laboratory;
  let ada: Person;
  let mallory: Person;
  beforeAll(async () => {
    lab = await openLaboratory();
    ada = await makePerson(lab.platform, "ada", []);
    mallory = await makePerson(lab.platform, "mallory", []);
    await using client = await ada.connect(notes);
    await client.state.notes.put("secret", { text: SECRET }).orThrow();
    await client.state.preferences.put({ theme: SECRET, size: 1 }).orThrow();
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it("with the same contract and the same keys has a state of its own", async () => {
    await using client = await mallory.connect(notes);
    expect(await client.state.notes.get("secret").orThrow()).toBeUndefined();
    expect(await client.state.preferences.get().orThrow()).toBeUndefined();
    expect((await client.state.notes.list().orThrow()).entries).toEqual([]);
    await using watch = collectState((options) => client.state.notes.watch(options));
    await watch.ready();
    await using theirs = await ada.connect(notes);
    await theirs.state.notes.put("secret", { text: SECRET }).orThrow();
    await client.state.notes.put("mine", { text: "x" }).orThrow();
    await eventually("its own is told", () => watch.changes.length >= 2);
    expect(watch.changes).toMatchObject([{ type: "ready" }, { type: "put", key: "mine" }]);
    await client.state.notes.delete("mine").orThrow();
  });

  it("finds no way out of its place by keys, prefixes and stores", async () => {
    await using client = await mallory.connect(notes);
    const paths = [
      `../../${ada.id}/notes/notes/secret`,
      `..`,
      `*`,
      `>`,
      `*/*`,
      `secret.>`,
      `$KV.STATE.u.${ada.id}.notes.notes.secret`,
      `=2E`,
      `%2e%2e/`,
      `\u0000`,
      `\r\nPUB x 1`,
    ];
    for (const key of paths) {
      const got = await client.state.notes.get(key);
      if (got.ok) expect(got.value, key).toBeUndefined();
      const page = await client.state.notes.list({ prefix: key });
      if (page.ok) expect(page.value.entries, key).toEqual([]);
      const put = await client.state.notes.put(key, { text: key });
      if (put.ok) {
        expect((await client.state.notes.list().orThrow()).entries.map((entry) => entry.key)).toEqual([key]);
        await client.state.notes.delete(key).orThrow();
      }
    }
    for (const store of ["", "*", ">", "notes.secret", "../notes", "__proto__", "constructor"]) {
      // @ts-expect-error stores the contract does not declare
      expect((await client.request("State.Get", { store, key: "secret" })).ok, store).toBe(false);
      // @ts-expect-error the same
      expect((await client.request("State.List", { store })).ok, store).toBe(false);
    }
  });

  it("another contract of the same person sees nothing of it, whatever it calls its stores", async () => {
    await using other = await ada.connect(
      defineAgentContract({ schemas: { Any: Type.Unknown() } }, (ref) => ({
        id: "notes.notes@v1",
        displayName: "Notes notes",
        description: "Would be the map of notes, if dots were what they seem.",
        state: {
          notes: { kind: "map", schema: ref.schema("Any") },
          secret: { kind: "value", schema: ref.schema("Any") },
        },
      })),
    );
    expect((await other.state.notes.list().orThrow()).entries).toEqual([]);
    expect(await other.state.secret.get().orThrow()).toBeUndefined();
  });

  it("cannot sign for somebody else, nor reach the bucket itself", async () => {
    // A session nobody made, over a connection nobody checks: refused by the control plane itself.
    await using unchecked = await connectUnchecked(lab.platform, createNodeSessionKey());
    const answer = await unchecked.ask("rpc.v1.State.Get", { store: "notes", key: "secret" });
    expect(answer).toMatchObject({ answered: false, error: { reason: "session_not_found" } });

    const manifest = fullService("lurker");
    const lurker = await lab.join({ key: await lab.deploy("lurker", manifest), manifest });
    const inbox = `${inboxPrefix(lurker.key.text)}.a.${randomToken(22)}.${randomToken(12)}`;
    const heard: string[] = [];
    const listen = (subject: string) =>
      lurker.nc.subscribe(subject, { callback: (error, message) => void (error ?? heard.push(message.string())) });
    for (const subject of [inbox, "kvr.STATE.>", "$KV.STATE.>", "rpc.v1.State.Get"]) listen(subject);
    const place = `$KV.STATE.u.${ada.id}.notes.notes.secret`;
    const subjects = [
      place,
      `$JS.API.DIRECT.GET.KV_STATE.${place}`,
      "$JS.API.DIRECT.GET.KV_STATE",
      "trellis.leader.KV_STATE",
      "$JS.API.STREAM.MSG.GET.KV_STATE",
      "$JS.API.STREAM.PURGE.KV_STATE",
      "$JS.API.CONSUMER.CREATE.KV_STATE",
      "kvr.STATE.x",
      "rpc.v1.State.Get",
    ];
    for (const subject of subjects)
      lurker.nc.publish(subject, JSON.stringify({ last_by_subj: place, seq: 1 }), { reply: inbox });
    await lurker.nc.flush();
    await lurker.violations.settle();
    for (const subject of subjects) expect(lurker.violations.seen).toContain(`publish ${subject}`);
    await using theirs = await ada.connect(notes);
    expect((await theirs.state.notes.get("secret").orThrow())?.value).toEqual({ text: SECRET });
    expect(heard.join()).not.toContain(SECRET);
  });

  it("needs to be an administrator for what others have", async () => {
    await using client = await mallory.connect(notes);
    // @ts-expect-error not in the contract
    const asked = await client.request("State.Admin.List", { user: "ada", contract: "notes", store: "notes" });
    expect(asked.ok).toBe(false);
    const shown = await lab.platform.admin.rpc.state
      .adminList({ user: "ada", contract: "notes", store: "notes" })
      .orThrow();
    expect(shown.entries).toMatchObject([{ key: "secret", value: { text: SECRET }, stateVersion: "v1" }]);
    const nobody = await lab.platform.admin.rpc.state.adminOverview({ user: "nobody" });
    expect(!nobody.ok && nobody.error).toBeInstanceOf(NotFound);
  });

  it("as a service is refused, even past its contract", async () => {
    const manifest: Manifest = {
      ...fullService("sly"),
      uses: { required: { state: { contract: "trellis.state@v1", rpc: { call: ["State.Get"] } } } },
    };
    await lab.platform.admin.rpc.auth.deploymentsCreate({ name: "sly" }).orThrow();
    const plan = await lab.platform.admin.rpc.auth.authorityPlan({ deployment: "sly", manifest });
    expect(!plan.ok && plan.error.message).toContain("a service cannot use trellis.state@v1");

    const key = createNodeSessionKey();
    const honest = defineServiceContract({ id: "honest@v1", displayName: "Honest", description: "Honest." });
    await lab.platform.connectService(honest, { name: "honest", key });
    await using unchecked = await connectUnchecked(lab.platform, key);
    for (const [subject, input] of [
      ["rpc.v1.State.Get", { store: "notes", key: "secret" }],
      ["rpc.v1.State.Put", { store: "notes", key: "secret", value: { text: "x" } }],
      ["rpc.v1.State.List", { store: "notes" }],
      ["rpc.v1.State.Admin.List", { user: "ada", contract: "notes", store: "notes" }],
    ] as const) {
      const answer = await unchecked.ask(subject, input);
      expect(answer, subject).toMatchObject({ answered: false, error: { reason: "insufficient_permissions" } });
    }
  });
});
