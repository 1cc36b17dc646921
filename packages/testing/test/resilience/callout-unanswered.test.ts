import { test } from "vitest";
import { reconnectWhileNobodyAnswers } from "./callout-unanswered.ts";

test("a callout that is not answered for 10 s while everybody reconnects: all come back", () =>
  reconnectWhileNobodyAnswers(10_000));
