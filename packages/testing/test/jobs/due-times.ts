import type { TestPlatform } from "../../src/index.ts";
import { connectData } from "./direct.ts";
import { storedRecords } from "./stored-jobs.ts";

/** When the jobs of a schedule were due, in seconds, as the stream has them. */
export async function dueTimes(platform: TestPlatform, schedule: string): Promise<readonly number[]> {
  await using data = await connectData(platform);
  return (await storedRecords(data)).flatMap(({ event, body }) =>
    event === "created" && body.schedule?.name === schedule && body.key !== undefined
      ? [body.schedule.dueAt / 1_000]
      : [],
  );
}
