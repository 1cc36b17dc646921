import { describe, expect, test } from "vitest";
import { all, andThen, AsyncResult, err, map, mapErr, match, ok, orThrow, ResultError, unwrapOr } from "./index.ts";
import type { Result } from "./index.ts";

type Failure = { readonly code: "missing" } | { readonly code: "busy"; readonly retryMs: number };
const good = attempt(2);
const bad = attempt(undefined);

function attempt(value: number | undefined): Result<number, Failure> {
  return value === undefined ? err({ code: "busy", retryMs: 5 }) : ok(value);
}

describe("Result", () => {
  test("is plain data", () => {
    expect(JSON.parse(JSON.stringify(good))).toEqual({ ok: true, value: 2 });
    expect(JSON.parse(JSON.stringify(bad))).toEqual({ ok: false, error: { code: "busy", retryMs: 5 } });
    expect(ok()).toEqual({ ok: true, value: undefined });
  });

  test("map, mapErr and andThen touch only their side", () => {
    expect(map(good, (n) => n + 1)).toEqual(ok(3));
    expect(map(bad, (n) => n + 1)).toBe(bad);
    expect(mapErr(bad, (e) => e.code)).toEqual(err("busy"));
    expect(mapErr(good, (e) => e.code)).toBe(good);
    expect(andThen(good, (n) => (n > 1 ? err("big") : ok(n)))).toEqual(err("big"));
    expect(andThen(bad, () => ok("never"))).toBe(bad);
  });

  test("orThrow throws the error itself when it is an Error", () => {
    const boom = new RangeError("boom");
    expect(() => orThrow(err(boom))).toThrow(boom);
    expect(orThrow(good)).toBe(2);
  });

  test("orThrow wraps plain errors and keeps them", () => {
    try {
      orThrow(bad);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(ResultError);
      expect(thrown).toMatchObject({ message: "busy", error: { code: "busy", retryMs: 5 } });
    }
    expect(() => orThrow(err({ code: "late", message: "try again" }))).toThrow("late: try again");
    expect(() => orThrow(err("plain"))).toThrow("plain");
    expect(() => orThrow(err(null))).toThrow("null");
  });

  test("unwrapOr, match and all", () => {
    expect(unwrapOr(bad, 7)).toBe(7);
    expect(match(bad, { ok: String, err: (e) => e.code })).toBe("busy");
    expect(match(good, { ok: String, err: (e) => e.code })).toBe("2");
    expect(all([ok(1), ok(2)])).toEqual(ok([1, 2]));
    expect(all([ok(1), bad, err({ code: "missing" })])).toBe(bad);
  });
});

describe("AsyncResult", () => {
  test("awaits to the plain result", async () => {
    const pending = new AsyncResult<number, Failure>(Promise.resolve(good));
    expect(await pending).toEqual({ ok: true, value: 2 });
    expect(await AsyncResult.err("no")).toEqual(err("no"));
  });

  test("chains map, andThen and mapErr, sync and async", async () => {
    const chain = AsyncResult.ok(1)
      .map(async (n) => n + 1)
      .andThen((n) => (n === 2 ? ok(n * 10) : err({ code: "odd" })))
      .andThen(async (n) => ok(`${n}`))
      .andThen((text) => AsyncResult.err({ code: text }))
      .mapErr((e) => e.code);
    expect(await chain).toEqual(err("20"));
  });

  test("skips later steps after an error", async () => {
    let ran = false;
    const result = await AsyncResult.err("stop")
      .map(() => (ran = true))
      .andThen(() => ok((ran = true)));
    expect(result).toEqual(err("stop"));
    expect(ran).toBe(false);
  });

  test("orThrow, unwrapOr, match", async () => {
    const boom = new TypeError("boom");
    await expect(AsyncResult.err(boom).orThrow()).rejects.toBe(boom);
    await expect(AsyncResult.ok(5).orThrow()).resolves.toBe(5);
    await expect(AsyncResult.err("x").unwrapOr(9)).resolves.toBe(9);
    await expect(AsyncResult.err("x").match({ ok: () => 1, err: async (e) => e + "!" })).resolves.toBe("x!");
  });

  test("from turns a rejection into data, run keeps a throw a bug", async () => {
    const failed = AsyncResult.from(Promise.reject(new Error("net")), (cause) => ({ code: "net" as const, cause }));
    expect(await failed).toMatchObject({ ok: false, error: { code: "net" } });
    const bug = AsyncResult.run(async () => {
      throw new Error("bug");
    });
    await expect(bug).rejects.toThrow("bug");
  });
});
