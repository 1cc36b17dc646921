import { join } from "node:path";
import { nodeConnect } from "@trellis/client/node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import type { TestPlatform } from "../../src/index.ts";

/** The parts of JetStream's answers these tests look at. */
interface Answer {
  readonly error?: unknown;
  readonly config: { readonly [option: string]: unknown };
  readonly state: { readonly messages: number; readonly bytes: number };
  readonly message: { readonly data: string };
}

/** JetStream as the control plane reaches it: to look at streams and to break them. */
export async function openDataAccount(platform: TestPlatform) {
  const keys = await loadControlPlaneKeys(join(platform.local.directory, "operator"));
  const connection = await nodeConnect({
    servers: [...platform.local.nats.servers],
    authenticator: directAuthenticator(createDirectUser(keys, "DATA", { name: "test" })),
    ignoreAuthErrorAbort: true,
    maxReconnectAttempts: -1,
  });
  const api = async (subject: string, body: object = {}): Promise<Answer> =>
    (await connection.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5_000 })).json();
  return {
    connection,
    api,
    info: (stream: string) => api(`STREAM.INFO.${stream}`),
    /** Changes options of a stream behind everybody's back. */
    async change(stream: string, options: object): Promise<void> {
      const { config } = await api(`STREAM.INFO.${stream}`);
      const answer = await api(`STREAM.UPDATE.${stream}`, { ...config, ...options });
      if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
