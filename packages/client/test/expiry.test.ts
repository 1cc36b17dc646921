import { test } from "vitest";
import { callWhilePermissionsExpire } from "./expiring-permissions.ts";

test("user JWTs that expire every 2 s fail no call and lose no message", () => callWhilePermissionsExpire(7_000));
