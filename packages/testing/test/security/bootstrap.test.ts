import { request as httpRequest } from "node:http";
import { contractDigest, type Manifest } from "@trellis/contracts";
import { BOOTSTRAP_PATHS, bootstrapDigest } from "@trellis/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { agentOf, fullService } from "./kit/hostile-manifests.ts";
import { type Laboratory, openLaboratory } from "./kit/laboratory.ts";
import { askBootstrap, bootstrapBody, bootstrapReady, newKey, type RawKey } from "./kit/participant.ts";

/** What strangers and instances send to the control plane over HTTP. */
let lab: Laboratory;
/** A known instance of a deployment: the only kind of stranger whose contract is read. */
let instance: RawKey;

beforeAll(async () => {
  lab = await openLaboratory();
  await lab.platform.admin.rpc.auth.deploymentsCreate({ name: "bare", mode: "strict" }).orThrow();
  instance = newKey();
  await lab.platform.admin.rpc.auth.instancesProvision({ deployment: "bare", sessionKey: instance.text }).orThrow();
});
afterAll(() => lab?.[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: {
    readonly status?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly problems?: readonly { readonly path: string; readonly message: string }[];
  };
}

async function send(body: string, kind: "service" | "agent" = "service"): Promise<Answer> {
  const response = await fetch(lab.platform.url + BOOTSTRAP_PATHS[kind], {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const text = await response.text();
  // Nothing of ours is told to whoever asks: no stack, no file, no module.
  expect(text).not.toMatch(/node_modules|\/packages\/|\/work\/|\bat [\w.<>]+ \(|file:\/\/|\.ts:\d/);
  return { status: response.status, text, body: JSON.parse(text) };
}

/** A request of the known instance, signed for whatever digest, with this text as its manifest. */
function requestWith(manifest: string, digest = "A".repeat(43)): string {
  const iat = Math.floor(Date.now() / 1000);
  const head = JSON.stringify({
    v: 1,
    sessionKey: instance.text,
    contractDigest: digest,
    iat,
    sig: instance.sign(bootstrapDigest(iat, digest)),
  });
  return `${head.slice(0, -1)},"manifest":${manifest}}`;
}

const bare = (more: Partial<Manifest> = {}): Manifest => ({ ...agentOf("bare", {}), kind: "service", ...more });

describe("a contract that is no contract is refused with every reason, and nothing else happens", () => {
  it("5 MB, as one text, as many members and as many bytes that never end", async () => {
    const wide = `{${Array.from({ length: 200_000 }, (_, at) => `"member${at}":"${"x".repeat(10)}"`).join()}}`;
    for (const manifest of [JSON.stringify("x".repeat(5_000_000)), wide, `[${"1,".repeat(2_500_000)}1]`]) {
      const answer = await send(requestWith(manifest));
      expect(answer).toMatchObject({ status: 413, body: { status: "refused", reason: "invalid_request" } });
    }
    const many = `{${Array.from({ length: 30_000 }, (_, at) => `"m${at}":1`).join()}}`;
    expect((await send(requestWith(many))).body).toMatchObject({ status: "refused", reason: "invalid_manifest" });
  });

  it("5 MB without a declared length is cut off while it arrives", async () => {
    const status = await new Promise<number | string>((resolve) => {
      const outgoing = httpRequest(
        lab.platform.url + BOOTSTRAP_PATHS.service,
        { method: "POST", headers: { "content-type": "application/json", "transfer-encoding": "chunked" } },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      outgoing.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      let sent = 0;
      const more = (): void => {
        while (sent < 5_000_000) {
          sent += chunk.length;
          if (!outgoing.write(chunk)) return void outgoing.once("drain", more);
        }
        outgoing.end();
      };
      more();
    });
    expect([413, "ECONNRESET", "EPIPE"]).toContain(status);
  });

  it("nested 10 000 deep, in the manifest and beside it", async () => {
    const deep = (open: string, close: string): string => `${open.repeat(10_000)}1${close.repeat(10_000)}`;
    for (const manifest of [deep("[", "]"), deep('{"a":', "}"), `{"schemas":{"Any":${deep('{"items":', "}")}}}`]) {
      const answer = await send(requestWith(manifest));
      expect(answer.body).toMatchObject({ status: "refused", reason: "invalid_manifest" });
      expect(answer.body.message).toMatch(/deeper than/);
    }
    expect((await send(deep("[", "]"))).body).toMatchObject({ status: "refused", reason: "invalid_request" });
  });

  it("schema bombs: alternatives of alternatives, patterns that never end, sizes nobody has", async () => {
    const grow = (levels: number): object =>
      levels === 0 ? { type: "string" } : { anyOf: [grow(levels - 1), grow(levels - 1), grow(levels - 1)] };
    let chain: object = { type: "string" };
    for (let at = 0; at < 80; at += 1) chain = { allOf: [chain, chain].slice(0, 1) };
    const bombs: readonly object[] = [
      grow(8),
      chain,
      { type: "string", pattern: "(a+)+$" },
      { type: "string", pattern: "(?:a{1000}){1000}" },
      { type: "string", pattern: "(a|a)*b" },
      { $ref: "#" },
      { $ref: "http://localhost/schema" },
    ];
    for (const bomb of bombs) {
      const manifest = bare({
        schemas: { Any: {}, Bomb: JSON.parse(JSON.stringify(bomb)) },
        rpc: {
          "Bare.Boom": {
            version: "v1",
            subject: "rpc.v1.Bare.Boom",
            input: { schema: "Bomb" },
            output: { schema: "Any" },
          },
        },
      });
      const answer = await send(requestWith(JSON.stringify(manifest), contractDigest(manifest)));
      // Refused, or harmless: then it waits for a person like any other. Either way the answer comes at once.
      expect(["refused", "waiting"]).toContain(answer.body.status);
    }
    expect((await fetch(`${lab.platform.url}/readyz`)).status).toBe(200);
  });

  it("members called __proto__, constructor and the like", async () => {
    for (const manifest of [
      '{"__proto__":{"kind":"service"}}',
      JSON.stringify(bare()).replace('"schemas":{', '"schemas":{"__proto__":{"type":"string"},'),
      JSON.stringify(bare()).replace('"schemas":{', '"rpc":{"constructor":{}},"schemas":{'),
      JSON.stringify(bare()).replace(
        '"schemas":{',
        '"resources":{"kv":{"toString":{"purpose":"x","schema":{"schema":"Any"}}}},"schemas":{',
      ),
    ]) {
      expect((await send(requestWith(manifest))).body).toMatchObject({ status: "refused", reason: "invalid_manifest" });
    }
    const answer = await send('{"__proto__":{"v":1},"constructor":{"prototype":{"v":1}}}');
    expect(answer.body).toMatchObject({ status: "refused", reason: "invalid_request" });
    expect(Object.hasOwn(Object.prototype, "v")).toBe(false);
  });

  it("what is not JSON, not an object, or lacks a member", async () => {
    for (const body of [
      "",
      "{",
      "null",
      "[]",
      '"x"',
      "1e999",
      "\u0000",
      '{"v":2}',
      '{"v":1}',
      JSON.stringify({ ...bootstrapBody({ key: newKey(), manifest: bare() }), iat: "now" }),
    ]) {
      for (const kind of ["service", "agent"] as const) {
        const answer = await send(body, kind);
        expect([400, 403]).toContain(answer.status);
        expect(answer.body).toMatchObject({ status: "refused", reason: "invalid_request" });
      }
    }
  });

  it("a key nobody knows, a signature of another key, a digest that is not the contract's", async () => {
    const manifest = bare();
    const stranger = newKey();
    const unheard = bare({ id: "unheard@v1" });
    expect((await send(JSON.stringify(bootstrapBody({ key: stranger, manifest: unheard })))).body).toMatchObject({
      status: "refused",
      reason: "unknown_service",
    });
    expect(
      (await send(JSON.stringify({ ...bootstrapBody({ key: stranger, manifest }), sessionKey: instance.text }))).body,
    ).toMatchObject({ status: "refused", reason: "invalid_signature" });
    expect((await send(requestWith(JSON.stringify(manifest)))).body).toMatchObject({
      status: "refused",
      reason: "digest_mismatch",
    });
    expect(
      (
        await send(
          JSON.stringify(bootstrapBody({ key: newKey(), manifest: agentOf("x", {}), userKey: newKey() })),
          "agent",
        )
      ).body,
    ).toMatchObject({ status: "refused", reason: "unknown_agent" });
    // A stranger's contract is not kept: nobody else may count on it.
    const { contracts } = await lab.platform.admin.rpc.trellis.catalog({}).orThrow();
    expect(contracts.map(({ id }) => id)).not.toContain("unheard@v1");
  });

  it("and the memory of the process is what it was", async () => {
    const flood = requestWith(JSON.stringify("x".repeat(5_000_000)));
    const deep = requestWith(`${"[".repeat(10_000)}1${"]".repeat(10_000)}`);
    for (let warm = 0; warm < 3; warm += 1) await Promise.all([send(flood), send(deep)]);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 10; round += 1) await Promise.all([send(flood), send(deep), send(deep)]);
    // This process holds the platform and the sender's own 5 MB texts, so the bound is generous; a leak is 150 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });
});

describe("contracts that do not fit together", () => {
  it("colliding subjects: the second cannot be accepted, and the first goes on", async () => {
    const first = fullService("collides");
    const key = await lab.deploy("collides", first);
    await bootstrapReady(lab.platform.url, { key, manifest: first });
    const told = first.events?.["Collides.Told"];
    if (!told) throw new Error("there is such an event");
    for (const [name, events] of [
      ["thief", { "Collides.Told": told }],
      // Whoever hears `Told.*` can hear everything below it.
      [
        "parent",
        { Collides: { ...told, event: { schema: "Parts" }, subject: "events.v1.Collides.{/a}", params: ["/a"] } },
      ],
    ] as const) {
      const manifest = fullService(name, {
        events,
        eventConsumers: {},
        schemas: { Any: {}, Parts: { type: "object", properties: { a: { type: "string" } } } },
      });
      const proposed = await lab.propose(name, manifest);
      const refused = await lab.platform.admin.rpc.auth.authorityAccept({ plan: proposed.plan, acknowledge: true });
      expect(refused.ok).toBe(false);
      expect(await askBootstrap(lab.platform.url, { key: proposed.key, manifest })).toMatchObject({
        status: "waiting",
        reason: "authority_update_required",
        message: expect.stringMatching(/owns here already/),
      });
    }
    expect(await askBootstrap(lab.platform.url, { key, manifest: first })).toMatchObject({ status: "ready" });
  });

  it("services that require each other become ready together", async () => {
    const needs = (other: string): Partial<Manifest> => {
      const word = other.charAt(0).toUpperCase() + other.slice(1);
      return { uses: { required: { other: { contract: `${other}@v1`, rpc: { call: [`${word}.Secret`] } } } } };
    };
    const [hen, egg] = [fullService("hen", needs("egg")), fullService("egg", needs("hen"))];
    const proposedHen = await lab.propose("hen", hen);
    // Nobody has seen an egg yet.
    expect((await lab.platform.admin.rpc.auth.authorityAccept({ plan: proposedHen.plan })).ok).toBe(false);
    expect(await askBootstrap(lab.platform.url, { key: proposedHen.key, manifest: hen })).toMatchObject({
      status: "waiting",
      reason: "dependency_unknown",
      blockedBy: ["egg@v1"],
    });
    const proposedEgg = await lab.propose("egg", egg);
    await lab.accept(proposedHen.plan);
    expect(await askBootstrap(lab.platform.url, { key: proposedHen.key, manifest: hen })).toMatchObject({
      status: "waiting",
    });
    await lab.accept(proposedEgg.plan);
    for (const identity of [
      { key: proposedHen.key, manifest: hen },
      { key: proposedEgg.key, manifest: egg },
    ])
      await bootstrapReady(lab.platform.url, identity);
    const joined = await lab.join({ key: proposedHen.key, manifest: hen });
    joined.nc.publish("rpc.v1.Egg.Secret");
    await joined.violations.settle();
    expect([...joined.violations.seen].filter((line) => !line.includes("security.mark"))).toEqual([]);
  });

  it("the platform's own names are nobody else's", async () => {
    for (const [at, id] of ["trellis.auth@v1", "trellis.mine@v1"].entries()) {
      const manifest = { ...fullService("usurper"), id };
      const plan = await lab.propose(`usurper-${at}`, manifest).catch(() => undefined);
      if (plan)
        expect((await lab.platform.admin.rpc.auth.authorityAccept({ plan: plan.plan, acknowledge: true })).ok).toBe(
          false,
        );
      // An agent that calls itself so gains nothing by it.
      const userKey = await lab.user(`usurper-${at}`, []);
      const agent: Manifest = { ...agentOf("usurper", {}), id };
      const answer = await askBootstrap(lab.platform.url, { key: newKey(), manifest: agent, userKey });
      if (answer.status === "ready") expect(answer.capabilities).toEqual([]);
    }
  });
});
