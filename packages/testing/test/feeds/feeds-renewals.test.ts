import { it } from "vitest";
import { readWhilePermissionsExpire } from "./feeds-renewals.ts";

it("a feed flows on while the permissions of both sides end every two seconds", () =>
  readWhilePermissionsExpire(10_000));
