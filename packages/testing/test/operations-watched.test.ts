import { it } from "vitest";
import { watchByMany } from "./operations/watched.ts";

it("an operation that many watch at once is seen by each of them to its end", () => watchByMany(1_000, 3), 120_000);
