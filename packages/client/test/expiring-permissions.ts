import { jwtAuthenticator } from "@nats-io/nats-core";
import { nodeConnect as connect } from "../src/node.ts";
import { createAccount, createOperator, createUser, encodeAccount, encodeOperator, encodeUser } from "@nats-io/jwt";
import { expect } from "vitest";
import { connectLink } from "../src/nats-link.ts";
import { TestNatsServer } from "./nats-server.ts";

const LIFE_MS = 2_000;
const REFRESH_MS = 500;
const UNLIMITED = { imports: -1, exports: -1, conn: -1, leaf: -1, subs: -1, data: -1, payload: -1, wildcards: true };

/** Calls and publishes for that long while every connection's permissions really end after 2 s. */
export async function callWhilePermissionsExpire(lastsMs: number): Promise<void> {
  const operator = createOperator();
  const account = createAccount();
  const accountJwt = await encodeAccount("A", account, { limits: UNLIMITED }, { signer: operator });
  const operatorJwt = await encodeOperator("O", operator, {});
  const nats = await TestNatsServer.start(`
    operator: ${operatorJwt}
    resolver: MEMORY
    resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`);
  let opened = 0;
  const refreshing: NodeJS.Timeout[] = [];
  // Every dial gets permissions of its own, as from a callout: a connection that came too late for its renewal comes
  // back. The JWT library signs asynchronously and nats.js asks synchronously, so there is always one made before.
  const participant = async (prefix: string) => {
    const user = createUser();
    let jwt = "";
    const sign = async (): Promise<void> => {
      jwt = await encodeUser("u", user, account, {}, { exp: Math.ceil((Date.now() + LIFE_MS) / 1_000) });
    };
    refreshing.push(setInterval(() => void sign(), REFRESH_MS));
    const plan = async () => {
      opened += 1;
      await sign();
      return {
        servers: [nats.url],
        authenticator: jwtAuthenticator(() => jwt, user.getSeed()),
        permissionsTtlMs: LIFE_MS,
      };
    };
    return connectLink({ connect, inboxPrefix: `_INBOX.${prefix.repeat(16)}`, plan });
  };
  const [service, caller] = await Promise.all([participant("S"), participant("C")]);
  try {
    service.subscribe("echo", {
      queue: "q",
      onMessage: (message) => service.publish(message.reply ?? "", message.data),
    });
    // Answers that take longer than a connection lives.
    service.subscribe("slow", {
      queue: "q",
      onMessage: (message) => setTimeout(() => service.publish(message.reply ?? "", message.data), 2_500),
    });
    let heard = 0;
    caller.subscribe("news", { onMessage: () => (heard += 1) });
    await Promise.all([service.flush(), caller.flush()]);
    const failures: string[] = [];
    let calls = 0;
    let sent = 0;
    const end = performance.now() + lastsMs;
    const ask = async (subject: string): Promise<void> => {
      const body = new TextEncoder().encode(String(calls++));
      await caller.request(subject, body, { timeoutMs: 5_000 }).then(
        (answer) => {
          if (new TextDecoder().decode(answer.data) !== new TextDecoder().decode(body)) failures.push("wrong answer");
        },
        (error: unknown) => failures.push(String(error)),
      );
    };
    const loop = async (subject: string): Promise<void> => {
      while (performance.now() < end) {
        await ask(subject);
        // A machine kept entirely busy by this loop could not renew in time, whatever the link does.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const publishing = async (): Promise<void> => {
      while (performance.now() < end) {
        // Equal messages are one message twice as far as a move can tell, so each says which it is.
        service.publish("news", new TextEncoder().encode(String(sent++)));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await Promise.all([...Array.from({ length: 16 }, () => loop("echo")), loop("slow"), loop("slow"), publishing()]);
    await service.flush();
    await caller.flush();
    expect(failures).toEqual([]);
    expect(heard).toBe(sent);
    expect(calls).toBeGreaterThan(1_000);
    expect(opened).toBeGreaterThan((2 * lastsMs) / LIFE_MS);
  } finally {
    for (const timer of refreshing) clearInterval(timer);
    await Promise.all([service.close(), caller.close()]);
    await nats.stop();
  }
}
