import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  createDirectUser,
  decodeJwt,
  directAuthenticator,
  encodeAccountJwt,
  findNatsServer,
  loadOperatorBundle,
  nkeyFromSeed,
  openOperatorBundle,
  startNats,
  upgradeBundle,
  upgradeOperatorBundle,
  type OperatorBundle,
} from "../src/index.ts";

let folder: string;
let keys: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trellis-upgrade-"));
  keys = join(folder, "operator");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The bundle as a version wrote it that had neither versions of accounts nor leader reads. */
async function makeOld(): Promise<OperatorBundle> {
  const { operator, server, controlPlane } = await openOperatorBundle(keys);
  const signer = nkeyFromSeed(operator.seed);
  const key = (name: "DATA" | "TRELLIS") => nkeyFromSeed(controlPlane.accounts[name].signingSeed).publicKey;
  const data = encodeAccountJwt(
    {
      name: "DATA",
      subject: server.accounts.DATA.id,
      signingKeys: [key("DATA")],
      jetstream: true,
      exports: [{ type: "service", subject: "$KV.>", answers: "Singleton" }],
    },
    signer,
  );
  const trellis = encodeAccountJwt(
    {
      name: "TRELLIS",
      subject: server.accounts.TRELLIS.id,
      signingKeys: [key("TRELLIS")],
      jetstream: false,
      imports: [{ type: "service", subject: "$KV.>", account: server.accounts.DATA.id }],
    },
    signer,
  );
  const { accountsVersion: _, ...rest } = server;
  const accounts = {
    ...rest.accounts,
    DATA: { ...rest.accounts.DATA, jwt: data },
    TRELLIS: { ...rest.accounts.TRELLIS, jwt: trellis },
  };
  const text = JSON.stringify({ format: "trellis.nats.keys.v1", ...rest, accounts });
  await writeFile(join(keys, "server.json"), text, { mode: 0o600 });
  const old = await loadOperatorBundle(keys);
  if (old === undefined) throw new Error("not written");
  return old;
}

it("issues what is old anew, keeps every key, and a server with data from before takes it", async () => {
  const old = await makeOld();
  const binary = await findNatsServer();
  const directory = join(folder, "nats");
  const ask = async (bundle: OperatorBundle): Promise<string> => {
    const nats = await startNats({ binary, directory, operator: bundle.server });
    const users = {
      data: createDirectUser(old.controlPlane, "DATA", { name: "t" }),
      trellis: createDirectUser(old.controlPlane, "TRELLIS", { name: "t" }),
    };
    const [data, trellis] = await Promise.all(
      [users.data, users.trellis].map((user) =>
        connect({ servers: [...nats.servers], authenticator: directAuthenticator(user) }),
      ),
    );
    try {
      await data?.request("$JS.API.STREAM.CREATE.KV_b", JSON.stringify({ name: "KV_b", subjects: ["$KV.b.>"] }));
      await trellis?.request("$KV.b.k", "v", { timeout: 5_000 });
      const answer = await trellis?.request("trellis.leader.KV_b", '{"last_by_subj":"$KV.b.k"}', { timeout: 5_000 });
      return answer?.string() ?? "";
    } catch (error) {
      return String(error);
    } finally {
      await data?.close();
      await trellis?.close();
      await nats.stop();
    }
  };
  expect(await ask(old)).toMatch(/no responders/i);
  // The server keeps the newer of two JWTs, by the second.
  await pause(1_100);
  expect(await upgradeOperatorBundle(keys)).toEqual(["TRELLIS", "DATA"]);
  const upgraded = await loadOperatorBundle(keys);
  if (upgraded === undefined) throw new Error("gone");
  expect(upgraded.controlPlane).toEqual(old.controlPlane);
  expect(upgraded.operator).toEqual(old.operator);
  expect(upgraded.server.accounts.SYS).toEqual(old.server.accounts.SYS);
  expect(upgraded.server.accounts.DATA.id).toBe(old.server.accounts.DATA.id);
  expect(decodeJwt(upgraded.server.accounts.DATA.jwt)?.iss).toBe(old.operator.publicKey);
  expect((await stat(join(keys, "server.json"))).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await ask(upgraded))).toMatchObject({ message: { subject: "$KV.b.k" } });
}, 60_000);

it("changes nothing a second time, and nothing that a newer version made", async () => {
  await makeOld();
  await upgradeOperatorBundle(keys);
  const text = await readFile(join(keys, "server.json"), "utf8");
  expect(await upgradeOperatorBundle(keys)).toEqual([]);
  expect(await readFile(join(keys, "server.json"), "utf8")).toBe(text);
  const old = await makeOld();
  const newer = { ...old, server: { ...old.server, accountsVersion: 1_000 } };
  expect(upgradeBundle(newer)).toEqual({ bundle: newer, changed: [] });
});

it("says what is missing when the operator's key is kept elsewhere", async () => {
  await makeOld();
  await rm(join(keys, "operator.json"));
  await expect(upgradeOperatorBundle(keys)).rejects.toThrow(/operator\.json is missing/);
});
