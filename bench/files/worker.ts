// One task of one side, in a process of its own: node worker.ts <raw|trellis> <put|get|upload|download> <address>
import { fork } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";
import { answerParent, type Ask } from "../answer-parent.ts";
import { TrellisClient } from "@trellis/client/node";
import { CALLER_KEY_FILE } from "../kv/storage-arena.ts";
import { connectDepot } from "./connect-depot.ts";
import { courier } from "./contract.ts";
import { OBJECT_BYTES } from "./object-bytes.ts";

interface Files {
  put(body: ReadableStream<Uint8Array>): Promise<void>;
  get(): Promise<ReadableStream<Uint8Array>>;
}

const NAME = "film.mp4";
const [, , side = "", task = "", address = ""] = process.argv;
const bytes = randomFillSync(new Uint8Array(OBJECT_BYTES));
const throughService = task === "upload" || task === "download";
const files =
  side === "raw" ? await rawFiles(address) : throughService ? await servedFiles(address) : await trellisFiles(address);
await files.put(body());
const put = (): Promise<void> => files.put(body());
const get = async (): Promise<void> => {
  let read = 0;
  for await (const chunk of await files.get()) read += chunk.length;
  if (read !== OBJECT_BYTES) throw new Error(`${read} of ${OBJECT_BYTES} bytes`);
};
const tasks: Readonly<Record<string, Ask>> = { put, get, upload: put, download: get };
answerParent(tasks[task]);

/** As a file is read: 64 KiB at a time. */
function body(): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, (at += 65_536)));
    },
  });
}

async function trellisFiles(url: string): Promise<Files> {
  const { store } = await connectDepot(url);
  return {
    put: async (stream) => void (await store.files.put(NAME, stream).orThrow()),
    get: async () => (await store.files.get(NAME).orThrow()).body,
  };
}

/** Caller and service in processes of their own; the file is stored when an upload is over. */
async function servedFiles(url: string): Promise<Files> {
  const depot = fork(join(import.meta.dirname, "depot.ts"), [url]);
  await once(depot, "message");
  const userKeyFile = process.env[CALLER_KEY_FILE];
  if (userKeyFile === undefined) throw new Error(`${CALLER_KEY_FILE} is not set`);
  const client = await TrellisClient.connect({
    contract: courier,
    url,
    userKeyFile,
    env: {},
    onNotice: () => undefined,
  });
  return {
    async put(stream) {
      const started = await client.operation.files.put.input({ name: NAME }).transfer(stream).start().orThrow();
      await started.uploaded.orThrow();
    },
    get: async () => (await client.rpc.files.read({ name: NAME }).orThrow()).read(),
  };
}

async function rawFiles(servers: string): Promise<Files> {
  const nc = await connect({ servers });
  const store = await new Objm(jetstream(nc)).create("files");
  return {
    put: async (stream) => void (await store.put({ name: NAME }, stream)),
    get: async () => {
      const found = await store.get(NAME);
      if (found === null) throw new Error(`no ${NAME}`);
      return found.data;
    },
  };
}
