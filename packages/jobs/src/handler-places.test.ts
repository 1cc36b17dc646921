import { expect, it } from "vitest";
import { HandlerPlaces } from "./handler-places.ts";

it("gives out no more places than there are, to whoever waits longest first", async () => {
  const places = new HandlerPlaces(1);
  const [a, b, c, d] = [{}, {}, {}, {}];
  expect(places.take(a)).toBe(true);
  const order: string[] = [];
  const second = Promise.resolve(places.take(b)).then((placed) => order.push(`b ${placed}`));
  const third = Promise.resolve(places.take(c)).then((placed) => order.push(`c ${placed}`));
  places.give(1);
  await second;
  places.withdraw(c);
  await third;
  expect(order).toEqual(["b true", "c false"]);
  places.give(1);
  expect(places.take(d)).toBe(true);
});

it("lets jobs be claimed ahead only while handlers are quick", async () => {
  const places = new HandlerPlaces(4);
  expect(places.ahead).toBe(0);
  for (const ms of [1, 2, 1]) {
    expect(places.take({})).toBe(true);
    places.give(ms);
  }
  expect(places.ahead).toBe(12);
  expect(places.take({})).toBe(true);
  places.give(500);
  expect(places.ahead).toBe(0);
});
