import { expect, test } from "vitest";
import { deliveryReader } from "./delivery.ts";

const read = deliveryReader({ stream: "EVENTS", consumer: "orders_all" });
const from = (reply: string | undefined) => read({ subject: "events.v1.A.B", data: new Uint8Array(), reply });

test.each([
  ["$JS.ACK.EVENTS.orders_all.3.4711.12.1764000000000000000.9", { deliveries: 3, sequence: 4711 }],
  ["$JS.ACK._.hash.EVENTS.orders_all.1.9007199254740991.12.1764000000000000000.0", { deliveries: 1 }],
  ["$JS.ACK.hub.hash.EVENTS.orders_all.2.5.12.1764000000000000000.0.extra", { deliveries: 2, sequence: 5 }],
])("reads %s", (reply, expected) => {
  expect(from(reply)).toMatchObject({ ...expected, reply });
});

test.each([
  undefined,
  "",
  "_INBOX.x.a.b",
  "$JS.ACK.EVENTS.orders_al.1.1.1.1.0",
  "$JS.ACK.EVENTS.orders_all2.1.1.1.1.0",
  "$JS.ACK.OTHER.orders_all.1.1.1.1.0",
  "$JS.ACK.EVENTS.orders_all.0.1.1.1.0",
  "$JS.ACK.EVENTS.orders_all.x.1.1.1.0",
  "$JS.ACK.EVENTS.orders_all.1.9007199254740992.1.1.0",
  "$JS.ACK.EVENTS.orders_all.1",
  "$JS.ACK.EVENTS.orders_all.1.2",
  "$JS.ACK.EVENTS.orders_all.EVENTS.orders_all.1.1.1.1.0",
  "$JS.ACK._.hash.OTHER.orders_all.1.1.1.1.0",
])("takes %s for no delivery of this consumer", (reply) => {
  expect(from(reply)).toBeUndefined();
});
