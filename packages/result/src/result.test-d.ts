import { expectTypeOf, test } from "vitest";
import { andThen, AsyncResult, err, map, ok } from "./index.ts";
import type { Result } from "./index.ts";

declare const start: Result<number, { readonly code: "a" }>;
declare const later: AsyncResult<number, { readonly code: "a" }>;

test("a chain keeps exactly the errors that can occur", () => {
  expectTypeOf(map(start, String)).toEqualTypeOf<Result<string, { readonly code: "a" }>>();
  expectTypeOf(andThen(start, (n) => ok(n > 1))).toEqualTypeOf<Result<boolean, { readonly code: "a" }>>();
  expectTypeOf(andThen(start, (n) => (n > 1 ? ok("x") : err("small")))).toEqualTypeOf<
    Result<string, string | { readonly code: "a" }>
  >();
  expectTypeOf(later.andThen(async (n) => ok(`${n}`))).toEqualTypeOf<AsyncResult<string, { readonly code: "a" }>>();
  expectTypeOf(later.andThen(() => AsyncResult.err(1))).toEqualTypeOf<
    AsyncResult<never, { readonly code: "a" } | number>
  >();
  expectTypeOf(later.andThen(async (n) => (n > 1 ? ok(n) : err("small")))).toEqualTypeOf<
    AsyncResult<number, { readonly code: "a" } | string>
  >();
});

test("awaiting gives the plain result, which narrows by ok", async () => {
  const result = await later;
  expectTypeOf(result).toEqualTypeOf<Result<number, { readonly code: "a" }>>();
  if (result.ok) expectTypeOf(result.value).toEqualTypeOf<number>();
  else expectTypeOf(result.error.code).toEqualTypeOf<"a">();
});
