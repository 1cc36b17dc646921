// One task of one side, in a process of its own: node worker.ts <raw|trellis> <put|get> <address>
import { randomFillSync } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";
import { answerParent, type Ask } from "../answer-parent.ts";
import { connectStorage } from "../kv/connect-storage.ts";
import { OBJECT_BYTES } from "./object-bytes.ts";

interface Files {
  put(body: ReadableStream<Uint8Array>): Promise<void>;
  get(): Promise<ReadableStream<Uint8Array>>;
}

const NAME = "film.mp4";
const [, , side = "", task = "", address = ""] = process.argv;
const bytes = randomFillSync(new Uint8Array(OBJECT_BYTES));
const files = side === "raw" ? await rawFiles(address) : await trellisFiles(address);
await files.put(body());
const tasks: Readonly<Record<string, Ask>> = {
  put: () => files.put(body()),
  get: async () => {
    let read = 0;
    for await (const chunk of await files.get()) read += chunk.length;
    if (read !== OBJECT_BYTES) throw new Error(`${read} of ${OBJECT_BYTES} bytes`);
  },
};
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
  const { store } = await connectStorage(url);
  return {
    put: async (stream) => void (await store.files.put(NAME, stream).orThrow()),
    get: async () => (await store.files.get(NAME).orThrow()).body,
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
