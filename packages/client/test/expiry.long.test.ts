import { test } from "vitest";
import { callWhilePermissionsExpire } from "./expiring-permissions.ts";

test("user JWTs that expire every 2 s for a minute fail no call and lose no message", () =>
  callWhilePermissionsExpire(60_000));
