import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ContractError, defineError, TrellisError } from "./index.ts";

const OrderNotFound = defineError({
  type: "OrderNotFound",
  fields: { id: Type.String(), tries: Type.Optional(Type.Integer()) },
  message: ({ id }) => `No order ${id}`,
});

describe("a declared error", () => {
  test("is an error with its fields, its name and its sentence", () => {
    const error = new OrderNotFound({ id: "o_1" });
    expect(error).toBeInstanceOf(OrderNotFound);
    expect(error).toBeInstanceOf(TrellisError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "OrderNotFound",
      type: "OrderNotFound",
      message: "No order o_1",
      id: "o_1",
      fields: { id: "o_1" },
    });
    expect(OrderNotFound.type).toBe("OrderNotFound");
    expect(OrderNotFound.name).toBe("OrderNotFound");
  });

  test("crosses the wire and arrives as itself", () => {
    const sent = new OrderNotFound({ id: "o_1", tries: 2 });
    const body: unknown = JSON.parse(
      JSON.stringify({ id: "01J", type: sent.type, message: sent.message, ...(sent.toWire() as object) }),
    );
    expect(body).toEqual({
      id: "01J",
      type: "OrderNotFound",
      message: "No order o_1",
      context: { id: "o_1", tries: 2 },
    });
    const received = OrderNotFound.fromWire(body);
    expect(received).toBeInstanceOf(OrderNotFound);
    expect(received?.id).toBe("o_1");
    expect(received?.tries).toBe(2);
  });

  test("keeps the sentence of the sender", () => {
    expect(
      OrderNotFound.fromWire({ type: "OrderNotFound", message: "Kein Auftrag o_1", context: { id: "o_1" } })?.message,
    ).toBe("Kein Auftrag o_1");
  });

  test("is not made from a body that is not one", () => {
    for (const body of [
      undefined,
      null,
      "x",
      {},
      { type: "Other", context: { id: "o_1" } },
      { type: "OrderNotFound" },
      { type: "OrderNotFound", context: { id: 1 } },
      { type: "OrderNotFound", message: 5, context: { id: "o" } },
    ]) {
      expect(OrderNotFound.fromWire(body)).toBeUndefined();
    }
  });

  test("fields whose names an Error has already stand under fields only", () => {
    const Odd = defineError({
      type: "Odd",
      fields: { name: Type.String(), message: Type.String(), code: Type.String() },
      message: "Odd",
    });
    const error = new Odd({ name: "n", message: "m", code: "c" });
    expect(error).toMatchObject({
      name: "Odd",
      message: "Odd",
      code: "c",
      fields: { name: "n", message: "m", code: "c" },
    });
    expect(
      Odd.fromWire({ type: "Odd", message: "Odd", context: { name: "n", message: "m", code: "c" } })?.fields.name,
    ).toBe("n");
  });

  test("needs no fields", () => {
    const Closed = defineError({ type: "Closed", message: "We are closed" });
    expect(new Closed().toWire()).toEqual({});
    expect(Closed.fromWire({ type: "Closed", message: "We are closed" })).toBeInstanceOf(Closed);
    expect(Closed.schema).toBeUndefined();
  });

  test("takes fields of any Standard JSON Schema library", () => {
    const Mixed = defineError({
      type: "Mixed",
      fields: { a: z.string(), b: z.number().optional() },
      message: ({ a }) => a,
    });
    expect(Mixed.schema).toEqual({
      type: "object",
      properties: { a: { type: "string" }, b: { type: "number" } },
      required: ["a"],
    });
    expect(new Mixed({ a: "x" }).b).toBeUndefined();
  });

  test("tells what is wrong with its definition", () => {
    expect(() => defineError({ type: "not good", fields: { when: z.date() }, message: "x" })).toThrow(ContractError);
    expect(() => defineError({ type: "not good", fields: { when: z.date() }, message: "x" })).toThrow(
      /\/type: "not good".*\n.*\/fields\/when: zod cannot write/,
    );
  });
});
