import { it } from "vitest";
import { readWhilePermissionsExpire } from "./feeds-renewals.ts";

it("a feed flows for a minute while the permissions of both sides end every two seconds", () =>
  readWhilePermissionsExpire(60_000));
