import { expect, test } from "vitest";
import { ServiceSetupError } from "./registrars.ts";
import { requireEverything } from "./require-everything.ts";

const lacks = (what: string) => () => {
  throw new ServiceSetupError("handler_missing", `${what} is missing.`);
};

test("all that is missing is said at once, in the order of the checks", () => {
  expect(() => requireEverything(lacks("an RPC"), () => undefined, lacks("a feed"))).toThrow(
    expect.objectContaining({ code: "handler_missing", message: "an RPC is missing.\na feed is missing." }),
  );
  expect(() => requireEverything(() => undefined)).not.toThrow();
});

test("what is no missing handler is not hidden behind one", () => {
  const broken = () => {
    throw new TypeError("a bug");
  };
  expect(() => requireEverything(lacks("an RPC"), broken)).toThrow("a bug");
});
