import { expect, test } from "vitest";
import { OperationHalt } from "./operation-halt.ts";

test("tells all who listen, once, and whoever asks for its signal, before or after", () => {
  const halted = new OperationHalt();
  const heard: string[] = [];
  const left = (): void => void heard.push("left");
  halted.listen(left);
  halted.listen(() => {
    heard.push("first");
    // Whoever leaves while all are told leaves the others theirs.
    halted.leave(left);
  });
  halted.listen(() => heard.push("second"));
  halted.leave(left);
  const { signal } = halted;
  expect([signal.aborted, halted.reason]).toEqual([false, undefined]);
  halted.now("It is over.");
  halted.now("It is over once more.");
  expect(heard).toEqual(["first", "second"]);
  expect(signal.reason).toBe(halted.reason);
  expect(halted.reason).toMatchObject({ name: "AbortError", message: "It is over." });

  const late = new OperationHalt();
  late.now("Before anybody asked.");
  expect(late.signal.reason).toBe(late.reason);
});
