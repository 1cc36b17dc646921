import { jetstream } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { newEventId } from "@trellis/protocol";
import { TrellisService } from "@trellis/server/node";
import { Ajv2019 } from "ajv/dist/2019.js";
import { benchEvents, benchReader, benchStrictReader, CONCURRENCY, Happened } from "./contracts.ts";
import { happened } from "./happened.ts";

/** Publishes one event and waits until it is stored. */
export type Publish = () => Promise<void>;

/** What people write today: nats.js, Ajv, an id and a time in the headers. */
export async function rawPublisher(address: string): Promise<Publish> {
  const check = new Ajv2019().compile(Happened);
  const stream = jetstream(await connect({ servers: address }));
  let n = 0;
  return async () => {
    const event = happened((n += 1));
    if (!check(event)) throw new Error("wrong event");
    const head = headers();
    head.set("trellis-time", new Date().toISOString());
    await stream.publish(`events.v1.Bench.Happened.${event.key}`, JSON.stringify(event), {
      msgID: newEventId(Date.now()),
      headers: head,
    });
  };
}

export async function trellisPublisher(address: string, seedFile: string): Promise<Publish> {
  const service = await TrellisService.connect({
    contract: benchEvents,
    name: "bench-events",
    ...connection(address, seedFile),
  });
  await service.start();
  let n = 0;
  return async () => void (await service.event.bench.happened.publish(happened((n += 1))).orThrow());
}

/** nats.js with a callback and an ack for each message, the fastest it has. */
export async function rawConsumer(address: string, onEvent: () => void): Promise<void> {
  const check = new Ajv2019().compile(Happened);
  const consumer = await jetstream(await connect({ servers: address })).consumers.get("EVENTS", "all");
  await consumer.consume({
    max_messages: CONCURRENCY,
    callback: (message) => {
      if (!check(message.json())) throw new Error("wrong event");
      message.ack();
      onEvent();
    },
  });
}

export async function trellisConsumer(address: string, seedFile: string, onEvent: () => void): Promise<void> {
  const service = await TrellisService.connect({
    contract: benchReader,
    name: "bench-reader",
    ...connection(address, seedFile),
  });
  service.handle.events.all(() => onEvent());
  await service.start();
}

export async function strictConsumer(address: string, seedFile: string, onEvent: () => void): Promise<void> {
  const service = await TrellisService.connect({
    contract: benchStrictReader,
    name: "bench-strict",
    ...connection(address, seedFile),
  });
  service.handle.events.all(() => onEvent());
  await service.start();
}

function connection(url: string, seedFile: string) {
  return { url, seedFile, env: {}, onNotice: () => undefined };
}
