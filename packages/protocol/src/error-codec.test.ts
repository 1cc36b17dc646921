import { TrellisError } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import { describe, expect, test } from "vitest";
import {
  AUTH_REASONS,
  AUTH_WORDS,
  AuthError,
  decodeError,
  encodeError,
  encodeHandlerError,
  LIMITS,
  RemoteError,
  TRANSFER_CODES,
  TRANSFER_WORDS,
  TransferError,
  TRANSPORT_CODES,
  TRANSPORT_WORDS,
  TransportError,
  UnexpectedError,
  ValidationError,
} from "./index.ts";

class OrderNotFound extends TrellisError {
  override readonly name = "OrderNotFound";
  readonly type = "OrderNotFound";
  readonly orderId: string;
  constructor(orderId: string) {
    super(`There is no order ${orderId}.`);
    this.orderId = orderId;
  }
  static fromWire(body: unknown): OrderNotFound | undefined {
    const context: unknown = Reflect.get(Object(body), "context");
    const orderId: unknown = Reflect.get(Object(context), "orderId");
    return typeof orderId === "string" ? new OrderNotFound(orderId) : undefined;
  }
  toWire(): Json {
    return { context: { orderId: this.orderId } };
  }
}
const known = { OrderNotFound };
const id = "01JTESTERRORID";
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const text = (body: Uint8Array): string => new TextDecoder().decode(body);
const body = (error: unknown): unknown => JSON.parse(text(encodeError(error, id)));

describe("round trips", () => {
  test.each(AUTH_REASONS)("AuthError %s", (reason) => {
    const error = decodeError(encodeError(new AuthError(reason), id));
    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ reason, message: AUTH_WORDS[reason].message, id });
  });

  test.each(TRANSPORT_CODES)("TransportError %s", (code) => {
    const error = decodeError(encodeError(new TransportError(code, { hint: "own hint" }), id));
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ code, hint: "own hint", retryable: TRANSPORT_WORDS[code].retryable, id });
  });

  test.each(TRANSFER_CODES)("TransferError %s", (code) => {
    const error = decodeError(encodeError(new TransferError(code), id));
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ code, message: TRANSFER_WORDS[code].message, hint: TRANSFER_WORDS[code].hint, id });
  });

  test("ValidationError", () => {
    const issues = [{ path: "/a", message: "is not a number" }];
    const error = decodeError(encodeError(new ValidationError(issues), id));
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ issues, id });
    expect(error.message).toContain("/a: is not a number");
  });

  test("a declared error arrives as its class, and as RemoteError where it is not known", () => {
    const sent = encodeError(new OrderNotFound("o-1"), id);
    const error = decodeError(sent, known);
    expect(error).toBeInstanceOf(OrderNotFound);
    expect(error).toMatchObject({ orderId: "o-1" });
    const stranger = decodeError(sent);
    expect(stranger).toBeInstanceOf(RemoteError);
    expect(stranger).toMatchObject({ type: "OrderNotFound", id, body: { context: { orderId: "o-1" } } });
    expect(body(stranger)).toEqual(JSON.parse(text(sent)));
  });

  test("a code, a reason or a body of a later version is preserved", () => {
    const later = { id, type: "TransportError", message: "m", code: "brand_new", retryable: true, extra: [1] };
    expect(decodeError(bytes(later))).toBeInstanceOf(RemoteError);
    expect(decodeError(bytes(later))).toMatchObject({ type: "TransportError", code: "brand_new", body: later });
    expect(decodeError(bytes({ id, type: "AuthError", message: "m", reason: "brand_new" }))).toBeInstanceOf(
      RemoteError,
    );
    expect(decodeError(bytes({ id, type: "OrderNotFound", message: "m" }), known)).toBeInstanceOf(RemoteError);
  });
});

describe("nothing unexpected crosses", () => {
  const leaky = Object.assign(new Error("password=hunter2 at /srv/app/db.ts"), {
    code: "ECONNREFUSED",
    query: "SELECT",
  });
  test.each([leaky, "hunter2", undefined, null, { message: "hunter2" }, new UnexpectedError("upstream-id")])(
    "%s",
    (error) => {
      const sent = text(encodeError(error, id));
      expect(JSON.parse(sent)).toEqual({ id, type: "UnexpectedError", message: expect.stringContaining(id) });
      expect(sent).not.toMatch(/hunter2|srv|ECONN|SELECT|upstream-id|stack/);
      expect(decodeError(encodeError(error, id))).toMatchObject({ type: "UnexpectedError", id });
    },
  );

  test("the cause and the stack of an error that may cross stay", () => {
    const sent = text(encodeError(new TransportError("timeout", { cause: leaky }), id));
    expect(sent).not.toMatch(/hunter2|stack|cause|error-codec/);
  });

  test("a declared error whose members are not JSON becomes unexpected", () => {
    class Broken extends OrderNotFound {
      override toWire(): Json {
        throw new Error("hunter2");
      }
    }
    expect(body(new Broken("o"))).toMatchObject({ type: "UnexpectedError", id });
  });

  test("an error's members cannot replace id, type and message", () => {
    class Disguised extends OrderNotFound {
      override toWire(): Json {
        return { id: "other", type: "AuthError", message: "other", reason: "session_expired" };
      }
    }
    expect(body(new Disguised("o"))).toMatchObject({ id, type: "OrderNotFound", message: "There is no order o." });
  });
});

describe("what a handler throws", () => {
  const type = (error: unknown, declared: string[] = []): unknown =>
    JSON.parse(text(encodeHandlerError(error, id, new Set(declared)))).type;

  test("declared errors and its own refusals reach the caller", () => {
    expect(type(new OrderNotFound("o"), ["OrderNotFound"])).toBe("OrderNotFound");
    expect(type(new OrderNotFound("o"))).toBe("UnexpectedError");
    expect(type(new AuthError("insufficient_permissions"))).toBe("AuthError");
    expect(type(new ValidationError([]))).toBe("ValidationError");
    expect(type(new TransportError("retry_later"))).toBe("TransportError");
  });

  test("what a peer told the handler is not told to the caller", () => {
    const peer = (error: TrellisError): TrellisError => decodeError(encodeError(error, "peer"), known);
    expect(type(peer(new AuthError("insufficient_permissions")))).toBe("UnexpectedError");
    expect(type(new AuthError("session_expired"))).toBe("UnexpectedError");
    expect(type(peer(new ValidationError([])))).toBe("UnexpectedError");
    expect(type(new TransportError("timeout"))).toBe("UnexpectedError");
    expect(type(peer(new TransportError("overloaded")))).toBe("UnexpectedError");
    expect(type(peer(new OrderNotFound("o")), ["OrderNotFound"])).toBe("OrderNotFound");
  });
});

describe("bounds", () => {
  test("many and long issues are cut", () => {
    const issues = Array.from({ length: 5_000 }, () => ({ path: "/x".repeat(500), message: "m".repeat(5_000) }));
    const sent = encodeError(new ValidationError(issues), id);
    expect(sent.length).toBeLessThanOrEqual(LIMITS.errorBytes);
    const error = decodeError(sent);
    expect(error).toMatchObject({ type: "ValidationError" });
  });

  test("details that are too large are left out, what happened stays", () => {
    const sent = encodeError(new OrderNotFound("x".repeat(1_000_000)), id);
    expect(sent.length).toBeLessThanOrEqual(LIMITS.errorBytes);
    expect(JSON.parse(text(sent))).toMatchObject({ id, type: "OrderNotFound", truncated: true });
  });

  test.each([
    new Uint8Array(),
    new Uint8Array([0xff, 0xfe]),
    new Uint8Array(1_000_000),
    bytes("text"),
    bytes([]),
    bytes(null),
    bytes({ id, type: "", message: "m" }),
    bytes({ id: 5, type: "T", message: "m" }),
    bytes({ id, type: "T", message: "m", code: 5 }),
  ])("anything unreadable is an invalid reply (%#)", (wrong) => {
    expect(decodeError(wrong)).toMatchObject({ type: "TransportError", code: "invalid_reply" });
  });

  test("a hostile type name reaches no prototype", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(decodeError(bytes({ id, type: name, message: "m" }), known)).toBeInstanceOf(RemoteError);
    }
    expect(decodeError(bytes({ id, type: "AuthError", message: "m", reason: "constructor" }))).toBeInstanceOf(
      RemoteError,
    );
  });
});

test("every reason and code says what happened and what to do", () => {
  for (const words of [
    ...Object.values(AUTH_WORDS),
    ...Object.values(TRANSPORT_WORDS),
    ...Object.values(TRANSFER_WORDS),
  ]) {
    expect(words.message).toMatch(/^[A-Z].{10,}\.$/);
    expect(words.hint).toMatch(/^[A-Z].{10,}\.$/);
  }
  expect(Object.keys(AUTH_WORDS)).toEqual([...AUTH_REASONS]);
  expect(Object.keys(TRANSPORT_WORDS)).toEqual([...TRANSPORT_CODES]);
  expect(Object.keys(TRANSFER_WORDS)).toEqual([...TRANSFER_CODES]);
});
