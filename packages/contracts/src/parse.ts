export type { Problem } from "./schema-problems.ts";
