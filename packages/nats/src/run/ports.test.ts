import { createServer } from "node:net";
import { expect, test } from "vitest";
import { choosePorts } from "./ports.ts";

test("the ports of the last run are taken again, except one that somebody has taken meanwhile", async () => {
  const last = await choosePorts("127.0.0.1");
  expect(await choosePorts("127.0.0.1", {}, last)).toEqual(last);

  const other = createServer();
  await new Promise<void>((resolve) => other.listen(last.client, "127.0.0.1", resolve));
  try {
    const { client, ...rest } = await choosePorts("127.0.0.1", {}, last);
    expect(client).not.toBe(last.client);
    expect({ client: last.client, ...rest }).toEqual(last);
  } finally {
    other.close();
  }
});
