// node read.ts <book> <page>: remembers the page, and says how the book looks.
import { TrellisClient } from "@trellis/client/node";
import contract from "./contract.ts";

await using client = await TrellisClient.connect({ contract });
const { places } = client.state;
const look = client.state.look.migrating({ v1: ({ dark }) => ({ theme: dark ? "dark" : "light", size: 12 }) });

const [book = "moby-dick", page = "1"] = process.argv.slice(2);
const before = await places.get(book).orThrow();
console.log(before === undefined ? `${book} is new` : `${book} was open at page ${before.value.page}`);
await places.put(book, { page: Number(page) }).orThrow();

const { theme, size } = (await look.get().orThrow())?.value ?? { theme: "light", size: 12 };
console.log(`page ${page} of ${book}, ${theme}, ${size} points`);
