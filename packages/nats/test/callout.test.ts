import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  decodeAuthorizationRequest,
  encodeAuthorizationResponse,
  encodeUserJwt,
  nkeyFromSeed,
  xkeyFromSeed,
  type AuthorizationRequest,
  type ControlPlaneKeys,
} from "../src/index.ts";
import { startLive, type Live } from "./live.ts";

/** A callout made of our keys and JWTs, by two replicas that share them, against a real server. */

let live: Live;
const answeredBy = [0, 0];
const seen: AuthorizationRequest[] = [];

beforeAll(async () => {
  live = await startLive();
  for (const replica of [0, 1]) {
    serve(
      await live.connect("AUTH"),
      live.bundle.controlPlane,
      () => (answeredBy[replica] = (answeredBy[replica] ?? 0) + 1),
    );
  }
}, 30_000);

afterAll(() => live?.close());

function serve(nc: NatsConnection, keys: ControlPlaneKeys, onAnswer: () => void): void {
  const xkey = xkeyFromSeed(keys.xkeySeed);
  const auth = nkeyFromSeed(keys.accounts.AUTH.signingSeed);
  const trellis = nkeyFromSeed(keys.accounts.TRELLIS.signingSeed);
  nc.subscribe("$SYS.REQ.USER.AUTH", {
    queue: "callout",
    callback: (_, message) => {
      const serverXkey = message.headers?.get("Nats-Server-Xkey") ?? "";
      const opened = xkey.open(message.data, serverXkey);
      const decoded = decodeAuthorizationRequest(opened === undefined ? "" : new TextDecoder().decode(opened));
      if (!decoded.ok) return;
      const { request } = decoded;
      seen.push(request);
      onAnswer();
      const token = request.connect.authToken ?? "";
      const jwt = encodeUserJwt(
        {
          name: token,
          subject: request.userNkey,
          permissions: { pub: { allow: ["greet"] }, sub: { allow: [`_INBOX.${token}.>`] } },
          expiresAt: new Date(Date.now() + 60_000),
          issuerAccount: keys.accounts.TRELLIS.id,
        },
        trellis,
      );
      const answer = encodeAuthorizationResponse(
        {
          userNkey: request.userNkey,
          serverId: request.server.id,
          answer: token.startsWith("good") ? { jwt } : { error: "unknown token" },
          issuerAccount: keys.accounts.AUTH.id,
        },
        auth,
      );
      message.respond(xkey.seal(Buffer.from(answer), serverXkey));
    },
  });
}

it("lets in by token alone, with the permissions of the answer, and tells the callout who asks", async () => {
  const nc = await connect({ servers: [...live.nats.servers], token: "good-1", inboxPrefix: "_INBOX.good-1" });
  const greeter = await live.connect("TRELLIS");
  greeter.subscribe("greet", { callback: (_, message) => void message.respond("hello") });
  await greeter.flush();
  expect((await nc.request("greet")).string()).toBe("hello");
  await expect(nc.request("other")).rejects.toThrow(/permission/i);
  expect(seen.find(({ connect: { authToken } }) => authToken === "good-1")).toMatchObject({
    client: { type: "nats", id: expect.any(Number) },
    server: { name: "n1" },
  });
  await nc.close();
});

it("tells the callout the nonce it gave the client only if the client sends a signature, of whatever kind", async () => {
  let given: string | undefined;
  const authenticator = (nonce?: string) => {
    given = nonce;
    return { auth_token: "good-nonce", jwt: "", sig: "signature-of-ours" };
  };
  const nc = await connect({ servers: [...live.nats.servers], authenticator });
  const request = seen.find(({ connect: { authToken } }) => authToken === "good-nonce");
  expect(given).toMatch(/.{10}/);
  expect(request?.client.nonce).toBe(given);
  expect(request?.connect.signature).toBe("signature-of-ours");
  await nc.close();

  const silent = await connect({ servers: [...live.nats.servers], token: "good-silent" });
  expect(seen.find(({ connect: { authToken } }) => authToken === "good-silent")?.client.nonce).toBeUndefined();
  await silent.close();
});

it("lets in over WebSocket", async () => {
  const { wsconnect } = await import("@nats-io/nats-core");
  const nc = await wsconnect({ servers: [...live.nats.websocketUrls], token: "good-ws" });
  expect(seen.find(({ connect: { authToken } }) => authToken === "good-ws")?.client.type).toBe("websocket");
  await nc.close();
});

it("keeps out a wrong token and no token", async () => {
  await expect(connect({ servers: [...live.nats.servers], token: "bad", reconnect: false })).rejects.toThrow(
    /authorization/i,
  );
  await expect(connect({ servers: [...live.nats.servers], reconnect: false })).rejects.toThrow(/authorization/i);
});

it("refuses none of 300 simultaneous connections, shared by both replicas", async () => {
  const before = [...answeredBy];
  const all = await Promise.all(
    Array.from({ length: 300 }, (_, index) => connect({ servers: [...live.nats.servers], token: `good-${index}` })),
  );
  await Promise.all(all.map((nc) => nc.close()));
  const shares = answeredBy.map((count, replica) => count - (before[replica] ?? 0));
  expect(shares[0]).toBeGreaterThan(0);
  expect(shares[1]).toBeGreaterThan(0);
  expect((shares[0] ?? 0) + (shares[1] ?? 0)).toBe(300);
});
