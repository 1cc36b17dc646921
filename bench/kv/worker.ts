// One task of one side, in a process of its own: node worker.ts <raw|trellis> <put|get|list> <address>
import { Kvm } from "@nats-io/kv";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { Ajv } from "ajv";
import { answerParent, type Ask } from "../answer-parent.ts";
import { question, questionSchema } from "../rpc/question.ts";
import { connectStorage } from "./connect-storage.ts";

const KEYS = 10_000;

interface Bucket {
  put(key: string): Promise<void>;
  get(key: string): Promise<void>;
  list(): Promise<number>;
}

const [, , side = "", task = "", address = ""] = process.argv;
const bucket = side === "raw" ? await rawBucket(address) : await trellisBucket(address);
for (let at = 0; at < KEYS; at += 500)
  await Promise.all(Array.from({ length: 500 }, (_, index) => bucket.put(keyOf(at + index))));
let next = 0;
const tasks: Readonly<Record<string, Ask>> = {
  put: () => bucket.put(keyOf(next++ % KEYS)),
  get: () => bucket.get(keyOf(next++ % KEYS)),
  list: async () => {
    const found = await bucket.list();
    if (found !== KEYS) throw new Error(`${found} of ${KEYS} entries`);
  },
};
answerParent(tasks[task]);

function keyOf(index: number): string {
  return `questions.k${index}`;
}

async function trellisBucket(url: string): Promise<Bucket> {
  const { questions } = (await connectStorage(url)).kv;
  return {
    put: async (key) => void (await questions.put(key, question).orThrow()),
    get: async (key) => {
      if ((await questions.get(key).orThrow()) === undefined) throw new Error(`no ${key}`);
    },
    list: async () => (await questions.entries().orThrow()).length,
  };
}

/** What people do with nats.js: its bucket, JSON, and the schema checked by Ajv. */
async function rawBucket(servers: string): Promise<Bucket> {
  const nc = await connect({ servers });
  const kv = await new Kvm(nc).create("questions");
  const fits = new Ajv().compile(Object(questionSchema));
  const decode = (bytes: Uint8Array): void => {
    if (!fits(JSON.parse(new TextDecoder().decode(bytes)))) throw new Error("does not fit");
  };
  return {
    put: async (key) => {
      if (!fits(question)) throw new Error("does not fit");
      await kv.put(key, JSON.stringify(question));
    },
    get: async (key) => {
      const entry = await kv.get(key);
      if (entry === null) throw new Error(`no ${key}`);
      decode(entry.value);
    },
    list: () => readBatch(nc, decode),
  };
}

/** One batched direct get of everything: the least a listing can be. */
function readBatch(nc: NatsConnection, decode: (bytes: Uint8Array) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let found = 0;
    const reply = `bench.${Math.random()}`.replace("0.", "");
    const subscription = nc.subscribe(reply, {
      callback: (error: Error | null, message: Msg) => {
        if (error) return reject(error);
        if (message.headers?.code === 204) {
          subscription.unsubscribe();
          return resolve(found);
        }
        decode(message.data);
        found += 1;
      },
    });
    nc.publish(
      "$JS.API.DIRECT.GET.KV_questions",
      JSON.stringify({ seq: 1, batch: KEYS, next_by_subj: "$KV.questions.>" }),
      { reply },
    );
  });
}
