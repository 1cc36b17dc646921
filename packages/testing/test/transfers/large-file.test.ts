import { it } from "vitest";
import { moveLargeFile } from "./large-file.ts";

it("200 MiB pass through a service and back in constant memory", { timeout: 300_000 }, () =>
  moveLargeFile(200, 240_000),
);
