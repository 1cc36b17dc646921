import { it } from "vitest";
import { watchByMany } from "./operations/watched.ts";

it("an operation that 10 000 watch at once is seen by each of them to its end", () => watchByMany(10_000, 12), 180_000);
