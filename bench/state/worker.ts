// One task of one side, in a process of its own: node worker.ts <raw|trellis> <put|get|watch> <address>
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { TrellisClient } from "@trellis/client/node";
import { Ajv } from "ajv";
import { answerParent, type Ask } from "../answer-parent.ts";
import { question, questionSchema } from "../rpc/question.ts";
import { keeper } from "./contract.ts";

const KEYS = 200;

interface Store {
  put(key: string): Promise<number>;
  get(key: string): Promise<void>;
  /** Calls back with the revision of every change another session makes. */
  watch(heard: (revision: number) => void): Promise<void>;
}

const [, , side = "", task = "", address = ""] = process.argv;
const store = side === "raw" ? await rawStore(address) : await trellisStore(address);
for (let at = 0; at < KEYS; at += 20)
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.put(keyOf(at + index))));

let next = 0;
let heardThrough = 0;
let wake: (() => void) | undefined;
if (task === "watch")
  await store.watch((revision) => {
    heardThrough = Math.max(heardThrough, revision);
    wake?.();
  });
const tasks: Readonly<Record<string, Ask>> = {
  put: async () => void (await store.put(keyOf(next++ % KEYS))),
  get: () => store.get(keyOf(next++ % KEYS)),
  // From the beginning of a put in one session until another has heard of it; one at a time.
  watch: async () => {
    const revision = await store.put(keyOf(next++ % KEYS));
    while (heardThrough < revision) await new Promise<void>((resolve) => (wake = resolve));
  },
};
answerParent(tasks[task]);

function keyOf(index: number): string {
  return `k${index}`;
}

async function trellisStore(url: string): Promise<Store> {
  const userKeyFile = process.env["BENCH_USER_KEY_FILE"];
  if (userKeyFile === undefined) throw new Error("BENCH_USER_KEY_FILE is not set");
  const open = () => TrellisClient.connect({ contract: keeper, url, userKeyFile, env: {}, onNotice: () => undefined });
  const { questions } = (await open()).state;
  return {
    put: async (key) => (await questions.put(key, question).orThrow()).revision,
    get: async (key) => {
      if ((await questions.get(key).orThrow()) === undefined) throw new Error(`no ${key}`);
    },
    watch: async (heard) => {
      const other = await open();
      await new Promise<void>((resolve, reject) => {
        (async () => {
          for await (const change of other.state.questions.watch()) {
            if (change.type === "ready") resolve();
            if (change.type === "put") heard(change.revision);
          }
        })().catch(reject);
      });
    },
  };
}

/** What people do with nats.js: its bucket, JSON, and the schema checked by Ajv. */
async function rawStore(servers: string): Promise<Store> {
  const open = async () => new Kvm(await connect({ servers })).create("questions");
  const kv = await open();
  const fits = new Ajv().compile(Object(questionSchema));
  const decode = (bytes: Uint8Array): void => {
    if (!fits(JSON.parse(new TextDecoder().decode(bytes)))) throw new Error("does not fit");
  };
  return {
    put: (key) => {
      if (!fits(question)) throw new Error("does not fit");
      return kv.put(key, JSON.stringify(question));
    },
    get: async (key) => {
      const entry = await kv.get(key);
      if (entry === null) throw new Error(`no ${key}`);
      decode(entry.value);
    },
    watch: async (heard) => {
      const changes = await (await open()).watch();
      void (async () => {
        for await (const { value, revision } of changes) {
          decode(value);
          heard(revision);
        }
      })();
    },
  };
}
