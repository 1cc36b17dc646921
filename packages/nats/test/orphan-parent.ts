import { findNatsServer, openOperatorBundle, startNats } from "../src/index.ts";

/** Started and killed by guardian.test.ts: starts servers, says their process ids, and never stops them. */

const [directory = ""] = process.argv.slice(2);
const { server } = await openOperatorBundle(`${directory}/keys`);
const nats = await startNats({ binary: await findNatsServer(), directory, operator: server });
console.log(JSON.stringify({ pids: nats.nodes.map(({ pid }) => pid), servers: nats.servers }));
if (process.argv[3] === "stay") setInterval(() => undefined, 1_000);
