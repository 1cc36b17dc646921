import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import {
  createDirectUser,
  decodeJwt,
  directAuthenticator,
  loadControlPlaneKeys,
  loadOperatorBundle,
  nkeyFromSeed,
} from "@trellis/nats";
import type { TestPlatform } from "../../src/index.ts";

/** How much room the servers have for everything that is stored: none, or all they had. */
export interface Room {
  /** From here on nothing more is stored. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** The account of the streams gets a limit of what it holds already: the same refusals as of a full disk. */
export async function roomOf(platform: TestPlatform): Promise<Room> {
  const directory = join(platform.local.directory, "operator");
  const bundle = await loadOperatorBundle(directory);
  if (bundle?.operator === undefined) throw new Error(`${directory} has no operator`);
  const keys = await loadControlPlaneKeys(directory);
  const operator = nkeyFromSeed(bundle.operator.seed);
  const claims = decodeJwt(bundle.server.accounts.DATA.jwt);
  if (claims === undefined) throw new Error("the account of the streams has no JWT");

  const ask = async <T>(account: "SYS" | "DATA", subject: string, body = ""): Promise<T> => {
    const authenticator = directAuthenticator(createDirectUser(keys, account, { name: "room" }));
    const connection = await connect({ servers: [...platform.local.nats.servers], authenticator });
    try {
      return (await connection.request(subject, body, { timeout: 5_000 })).json<T>();
    } finally {
      await connection.close();
    }
  };
  const limitTo = async (bytes: number): Promise<void> => {
    const limits = { ...(claims.nats["limits"] as object), disk_storage: bytes };
    const body = { ...claims, iat: Math.floor(Date.now() / 1_000), nats: { ...claims.nats, limits } };
    const text = [{ typ: "JWT", alg: "ed25519-nkey" }, body]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const jwt = `${text}.${Buffer.from(operator.sign(Buffer.from(text))).toString("base64url")}`;
    const answer = await ask<{ data?: { code: number } }>("SYS", "$SYS.REQ.CLAIMS.UPDATE", jwt);
    if (answer.data?.code !== 200) throw new Error(`The limit was not taken: ${JSON.stringify(answer)}`);
  };
  return {
    async fill() {
      const { storage } = await ask<{ storage: number }>("DATA", "$JS.API.INFO");
      await limitTo(storage);
    },
    free: () => limitTo(-1),
  };
}
