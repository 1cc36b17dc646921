// A process of its own, so that its memory is its own: opens the registry as a control plane does and says what it took.
import { connect } from "@nats-io/transport-node";
import { openTables } from "../src/authority/context.ts";
import { builtinContracts } from "../src/catalog/builtins.ts";
import { Catalog } from "../src/catalog/catalog.ts";
import { SecurityChanges } from "../src/notices/security-changes.ts";
import { openRegistry } from "../src/registry/open.ts";

const nc = await connect({ servers: process.argv[2] ?? "" });
const started = performance.now();
const registry = await openRegistry({ nc, replicas: 1, prepare: openTables });
const tables = openTables(registry);
const catalog = new Catalog(registry, builtinContracts());
const changes = new SecurityChanges(registry);
const active = catalog.activeIds().length;
const tookMs = Math.round(performance.now() - started);
const rssMb = Math.round(process.memoryUsage.rss() / 1024 ** 2);
console.log(
  JSON.stringify({
    tookMs,
    rssMb,
    active,
    deployments: tables.deployments.size,
    instances: tables.instances.size,
    revision: changes.revision,
  }),
);
changes.close();
await registry.close();
await nc.close();
