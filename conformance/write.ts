// Writes the vectors from the reference. What changes in them changes the protocol: review the difference.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { vectorText } from "./topic.ts";
import { TOPICS } from "./topics.ts";

const folder = new URL("vectors/", import.meta.url);
await mkdir(folder, { recursive: true });
const wanted = new Map(TOPICS.map((topic) => [`${topic.topic}.json`, vectorText(topic)]));

for (const file of await readdir(folder)) {
  if (wanted.has(file)) continue;
  await rm(new URL(file, folder));
  console.log(`removed ${file}`);
}
for (const [file, text] of wanted) {
  const before = await readFile(new URL(file, folder), "utf8").catch(() => undefined);
  if (before === text) continue;
  await writeFile(new URL(file, folder), text);
  console.log(`${before === undefined ? "wrote" : "changed"} ${file}`);
}
