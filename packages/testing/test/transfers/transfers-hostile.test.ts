import { headers as newHeaders } from "@nats-io/nats-core";
import { createNodeSessionKey } from "@trellis/auth/node";
import type { Session } from "@trellis/client/internal";
import { encodeTransferFrame, HEADERS, inboxPrefix, newStreamSubject, parseUploadFrame } from "@trellis/protocol";
import { SILENT_LOG, type TrellisService } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { connectIntruder } from "../feeds/kit/intruder.ts";
import { askForGrant, connectStranger, openByHand } from "./kit/by-hand.ts";
import { lend, type Lent } from "./kit/lending.ts";
import { library, reader } from "./kit/library-contract.ts";

const READ = "rpc.v1.Files.Read";
const PUT = "operations.v1.Files.Put";

describe("a hostile neighbour of a transfer", () => {
  let platform: TestPlatform;
  let service: TrellisService<typeof library>;
  let lent: Lent;
  let victim: Session;
  let stranger: Session;
  beforeAll(async () => {
    platform = await startPlatform();
    service = await platform.connectService(library, { log: SILENT_LOG });
    lent = lend(service);
    await service.start();
    await service.store.files.put("film", new Uint8Array(1_000_000)).orThrow();
    victim = (await connectIntruder(platform, reader)).session;
    stranger = await connectStranger(platform, "stranger", reader);
  });
  afterAll(async () => {
    await victim?.close();
    await stranger?.close();
    await platform?.stop();
  });

  const read = () => askForGrant(victim, READ, { name: "film" });
  const put = (name: string) => askForGrant(victim, PUT, { input: { name }, token: name });
  const controlOf = (texts: readonly string[]): string => /"control":"([^"]+)"/.exec(texts.join("\n"))?.[1] ?? "";

  it("hears nothing of it: NATS refuses every subject of transfers", async () => {
    let refused = 0;
    const subjects = [
      "transfer.>",
      "transfer.v1.control.library.>",
      "transfer.v1.upload.library.*",
      "transfer.v1.download.library.*",
      (await read()).subject,
    ];
    for (const subject of subjects)
      stranger.link.subscribe(subject, {
        onMessage: () => expect.fail("it heard something"),
        onRefused: () => (refused += 1),
      });
    await eventually("NATS refuses all of them", () => refused === subjects.length);
  });

  it("that stole a grant cannot open it: for everybody else the transfer does not exist", async () => {
    for (const grant of [await read(), await put("stolen")]) {
      const stolen = openByHand(stranger, grant);
      await eventually("it is refused", () => stolen.texts().length > 0);
      expect(stolen.texts()).toEqual([expect.stringContaining("unknown_transfer")]);
      // Its owner can all the same.
      const own = openByHand(victim, grant);
      await eventually("its owner can", () => controlOf(own.texts()) !== "");
    }
    // A download belongs to the session that asked: not even another session of the same person has it.
    const grant = await read();
    await using other = await connectIntruder(platform, reader);
    const { texts } = openByHand(other.session, grant);
    await eventually("it is refused", () => texts().length > 0);
    expect(texts()).toEqual([expect.stringContaining("unknown_transfer")]);
  });

  it("cannot have it sent elsewhere, nor open it again with what it saw, nor with what its owner did not sign", async () => {
    const grant = await read();
    const elsewhere = newStreamSubject(inboxPrefix(createNodeSessionKey().publicKey));
    const sent = openByHand(victim, grant, elsewhere);
    const own = openByHand(victim, grant);
    await eventually("its owner has it", () => controlOf(own.texts()) !== "");
    expect(sent.messages).toEqual([]);
    const before = own.texts().length;
    own.again();
    await eventually("it is refused", () =>
      own
        .texts()
        .slice(before)
        .some((text) => text.includes("replayed")),
    );
  });

  it("knows the replica and cannot guess the transfer: what it writes beside it reaches nobody", async () => {
    const grant = await put("beside");
    const own = openByHand(victim, grant);
    await eventually("it is open", () => own.texts().some((text) => text.includes('"ack"')));
    const control = controlOf(own.texts());
    const replica = control.slice(0, control.lastIndexOf("."));
    const answers: number[] = [];
    const inbox = stranger.link.openStream(({ headers }) => answers.push(headers?.code ?? 0));
    const chunk = newHeaders();
    chunk.set(HEADERS.transferSeq, "1");
    for (const token of ["*", ">", "A".repeat(22), grant.transferId]) {
      stranger.link.publish(`${replica}.${token}`, new Uint8Array(10), { headers: chunk, reply: inbox.subject });
      stranger.link.publish(`${replica}.${token}`, new TextEncoder().encode('{"type":"cancel"}'), {
        reply: inbox.subject,
      });
    }
    await stranger.link.flush();
    await eventually("NATS says that nobody is there", () => answers.length >= 2);
    expect(new Set(answers)).toEqual(new Set([503]));
    // Its owner goes on, and is done.
    const bytes = new Uint8Array([1, 2, 3]);
    victim.link.publish(control, bytes, { headers: chunk });
    const digest = "A5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc-4E";
    victim.link.publish(control, encodeTransferFrame({ type: "end", seq: 1, size: 3, digest }));
    await eventually("it is stored", () => own.messages.some(({ data }) => parseUploadFrame(data)?.type === "stored"));
    await eventually("its operation has run", () => lent.shelved.includes("beside"));
  });

  it("that sends more than was granted, or the wrong numbers, harms its own upload only", async () => {
    const grant = await put("flood");
    const own = openByHand(victim, grant);
    await eventually("it is open", () => own.texts().some((text) => text.includes('"ack"')));
    const control = controlOf(own.texts());
    for (let seq = 1_000; seq < 1_300; seq += 1) {
      const headers = newHeaders();
      headers.set(HEADERS.transferSeq, String(seq));
      victim.link.publish(control, new Uint8Array(131_072), { headers });
    }
    victim.link.publish(control, new TextEncoder().encode('{"type":"cancel"}'));
    await victim.link.flush();
    await eventually("it is given up", () => own.texts().some((text) => text.includes('"again"')));
    expect(await service.store.files.info("flood").orThrow()).toBeUndefined();
  });
});

describe("the limits of transfers", () => {
  it("are told by their names, and there is room again when others are over", async () => {
    await using platform = await startPlatform();
    const service = await platform.connectService(library, {
      log: SILENT_LOG,
      limits: {
        maxTransferGrantsPerSession: 3,
        maxTransferGrants: 4,
        maxOpenTransfersPerSession: 2,
        maxOpenTransfers: 3,
      },
    });
    lend(service);
    await service.start();
    const client = await platform.connectClient(reader);
    const other = await platform.connectClient(reader);
    const make = (who: typeof client) => who.rpc.files.make({ bytes: 50_000_000 }, { timeoutMs: 2_000 });
    const downloads = [await make(client).orThrow(), await make(client).orThrow(), await make(client).orThrow()];
    const refusal = async (outcome: PromiseLike<{ readonly ok: boolean; readonly error?: unknown }>): Promise<string> =>
      String((await outcome).error);
    expect(await refusal(make(client))).toContain("maxTransferGrantsPerSession");
    const last = await make(other).orThrow();
    expect(await refusal(make(other))).toContain("maxTransferGrants)");
    const readers = downloads.map((download) => download.read({ patienceMs: 500 }).getReader());
    await Promise.all(readers.slice(0, 2).map((body) => body.read()));
    await expect(readers[2]?.read()).rejects.toMatchObject({
      code: "overloaded",
      message: expect.stringContaining("maxOpenTransfersPerSession"),
    });
    const body = last.read().getReader();
    await body.read();
    await readers[0]?.cancel();
    await readers[1]?.cancel();
    await body.cancel();
  });
});
