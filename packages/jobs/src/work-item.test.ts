import { expect, it } from "vitest";
import type { JobRecordBody } from "./job-record.ts";
import { PackItem } from "./work-item.ts";

const job: JobRecordBody = { id: "a", context: { requestId: "a" } };

function packOfTwo(handOn: () => Promise<void>) {
  const said: string[] = [];
  const link = {
    publish: (reply: string, what: Uint8Array) => void said.push(`${reply} ${new TextDecoder().decode(what)}`),
  };
  return { said, pack: new PackItem(link, "reply", { life: 1, size: 2, handOn }) };
}

it("acknowledges a pack when none of its jobs needs it, however often one of them says so", async () => {
  const { said, pack } = packOfTwo(() => Promise.resolve());
  const [first, second] = [pack.part(), pack.part()];
  first.done();
  first.done();
  first.later(job, 0);
  await Promise.resolve();
  expect(said).toEqual([]);
  pack.again("newer");
  second.later(job, 0);
  await Promise.resolve();
  expect(said).toEqual(["newer +ACK"]);
});

it("lets a pack come again when one of its jobs could not be handed on", async () => {
  const { said, pack } = packOfTwo(() => Promise.reject(new Error("no stream")));
  pack.part().done();
  pack.part().later(job, 0);
  await Promise.resolve();
  expect(said).toEqual([]);
});
