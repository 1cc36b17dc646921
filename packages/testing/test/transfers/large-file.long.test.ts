import { it } from "vitest";
import { moveLargeFile } from "./large-file.ts";

it("2 GiB pass through a service and back in constant memory", { timeout: 1_800_000 }, () =>
  moveLargeFile(2_048, 1_500_000),
);
