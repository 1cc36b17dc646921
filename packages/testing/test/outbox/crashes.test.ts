import { countThroughCrashes } from "./count-through-crashes.ts";

countThroughCrashes(["sqlite", "postgres"], 2);
