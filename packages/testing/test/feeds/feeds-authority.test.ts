import { AuthError } from "@trellis/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { type Counted, startTicker } from "./kit/counting.ts";
import { makePerson } from "./kit/people.ts";
import { listener, occasionalListener } from "./kit/ticker-contract.ts";

/** What "at once" may take on a busy machine: much less than the 30 s after which services ask about a caller again. */
const AT_ONCE_MS = 10_000;

describe("who may read a feed", () => {
  let platform: TestPlatform;
  let counted: Counted;
  beforeAll(async () => {
    platform = await startPlatform();
    ({ counted } = await startTicker(platform));
  });
  afterAll(() => platform.stop());

  it("goes on over many leases, because the reader proves itself", async () => {
    await using platform = await startPlatform({ config: { callerLeaseMs: 2_000 } });
    const { counted } = await startTicker(platform);
    const client = await platform.connectClient(listener);
    let last = 0;
    const startedAt = performance.now();
    for await (const { n } of client.feed.ticker.count({ everyMs: 20, label: "leases" }, { reopen: false })) {
      expect(n).toBe(last + 1);
      last = n;
      if (performance.now() - startedAt > 7_000) break;
    }
    expect(last).toBeGreaterThan(20);
    expect(counted.open.get("leases")).toBeLessThanOrEqual(1);
    await client.close();
  });

  it("a revoked session gets no frame any more, and its handler is aborted", async () => {
    const person = await makePerson(platform, "revoked", ["admin"]);
    await using client = await person.connect(listener);
    const me = await client.request("Auth.Sessions.Me", {}).orThrow();
    const reading = client.feed.ticker.count({ everyMs: 5, label: "revoked" }, { reopen: true });
    await reading.next();
    const rest = readOn(reading);
    await platform.admin.rpc.auth.sessionsRevoke({ sessionKey: me.session.sessionKey }).orThrow();
    await eventually("the handler is aborted", () => counted.aborted.get("revoked"), AT_ONCE_MS);
    expect(await rest).toBeInstanceOf(AuthError);
  });

  it("a reader that lost the capability is told so at once", async () => {
    const person = await makePerson(platform, "demoted", ["admin"]);
    await using client = await person.connect(occasionalListener);
    const reading = client.feed.ticker.count({ everyMs: 5, label: "demoted" }, { reopen: true });
    await reading.next();
    const rest = readOn(reading);
    await platform.admin.rpc.auth.usersUpdate({ user: person.id, groups: [] }).orThrow();
    await eventually("the handler is aborted", () => counted.aborted.get("demoted"), AT_ONCE_MS);
    const error = await rest;
    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ reason: "insufficient_permissions" });
  });

  it("a reader without the capability is refused by NATS, with what to do", async () => {
    const person = await makePerson(platform, "nobody", []);
    await using client = await person.connect(occasionalListener);
    await expect(client.feed.ticker.count({ everyMs: 5 }).next()).rejects.toMatchObject({
      reason: "insufficient_permissions",
      message: expect.stringContaining("trellis why"),
    });
  });
});

/** What ends a reading. */
async function readOn(reading: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _ of reading) continue;
    return "ended";
  } catch (thrown) {
    return thrown;
  }
}
