// Asks Restate for operations: `BENCH_RESTATE=… node restate-caller-process.ts <start | three>`.
import { answerParent } from "../answer-parent.ts";

/** Starting is one round trip: it is stored. Three steps are waited for: their output is the answer. */
const path = process.argv[2] === "start" ? "/Durable/none/send" : "/Durable/three";
const url = `${process.env["BENCH_RESTATE"] ?? ""}${path}`;
const body = JSON.stringify({ text: "x".repeat(200) });
const init = { method: "POST", headers: { "content-type": "application/json" }, body };

answerParent(async () => {
  const answer = await fetch(url, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Restate answered ${answer.status}: ${text}`);
});
