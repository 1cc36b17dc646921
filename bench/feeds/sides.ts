import { TrellisClient } from "@trellis/client/node";
import { TrellisService } from "@trellis/server/node";
import { connect } from "@nats-io/transport-node";
import { Ajv2019 } from "ajv/dist/2019.js";
import type { Contender } from "../contender.ts";
import { Question, question } from "../rpc/question.ts";
import { keyFile, SERVICE_NAME } from "../rpc/trellis-access.ts";
import { benchFeeds, benchReader } from "./contracts.ts";

/** What one `ask` reads. */
export const FRAMES_PER_READING = 20_000;
/** nats.js buffers without bound; whoever publishes a lot lets it write now and then. */
const FLUSH_EVERY = 512;

/** The denominator: publish and subscribe of nats.js, JSON and Ajv at both ends, no flow control, no security. */
const raw: Contender = {
  name: "plain",
  says: "nats.js publish and subscribe, JSON, Ajv, nothing else",
  async serve(address) {
    const check = new Ajv2019().compile(Question);
    const nats = await connect({ servers: address });
    nats.subscribe("bench.frames", {
      callback: (error, message) => {
        if (error) throw error;
        const { reply } = message;
        if (reply === undefined) throw new Error("no reply subject");
        void (async () => {
          for (let sent = 1; sent <= FRAMES_PER_READING; sent += 1) {
            if (!check(question)) throw new Error("wrong frame");
            nats.publish(reply, JSON.stringify(question));
            if (sent % FLUSH_EVERY === 0) await nats.flush();
          }
        })();
      },
    });
    await nats.flush();
  },
  async connect(address) {
    const check = new Ajv2019().compile(Question);
    const nats = await connect({ servers: address });
    let readings = 0;
    return () =>
      new Promise((resolve, reject) => {
        const inbox = `bench.inbox.${(readings += 1)}`;
        let read = 0;
        const subscription = nats.subscribe(inbox, {
          callback: (error, message) => {
            if (error) return reject(error);
            if (!check(message.json())) return reject(new Error("wrong frame"));
            read += 1;
            if (read < FRAMES_PER_READING) return;
            subscription.unsubscribe();
            resolve();
          },
        });
        nats.publish("bench.frames", undefined, { reply: inbox });
      });
  },
};

/** What people get: authorised at every frame, in order, as fast as the reader reads. */
const feed: Contender = {
  name: "feed",
  says: "a Trellis feed: authorised, ordered, flow-controlled, schemas at both ends",
  async serve(address) {
    const service = await TrellisService.connect({
      contract: benchFeeds,
      name: SERVICE_NAME,
      url: address,
      seedFile: keyFile("service"),
      env: {},
      onNotice: () => undefined,
    });
    service.handle.feed.bench.frames(async function* ({ input }) {
      for (let sent = 1; sent <= input.frames; sent += 1) yield question;
    });
    await service.start();
  },
  async connect(address) {
    const client = await TrellisClient.connect({
      contract: benchReader,
      url: address,
      userKeyFile: keyFile("user"),
      env: {},
      onNotice: () => undefined,
    });
    return async () => {
      let read = 0;
      for await (const _ of client.feed.bench.frames({ frames: FRAMES_PER_READING })) read += 1;
      if (read !== FRAMES_PER_READING) throw new Error(`${read} frames came`);
    };
  },
};

/** In the order they take turns; the first is the denominator. */
export const contenders: readonly Contender[] = [raw, feed];
