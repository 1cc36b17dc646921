import { test } from "vitest";
import { callWhilePermissionsExpire } from "./permissions-expire.ts";

test("permissions that end every 2 s fail no call for a minute", () => callWhilePermissionsExpire(60_000));
