// A process of its own: opens the registry as a control plane does and says what it knows then.
import { connect } from "@nats-io/transport-node";
import { openTables } from "../src/authority/context.ts";
import { builtinContracts } from "../src/catalog/builtins.ts";
import { Catalog } from "../src/catalog/catalog.ts";
import { openRegistry } from "../src/registry/open.ts";

const nc = await connect({ servers: process.argv[2] ?? "" });
const registry = await openRegistry({ nc, replicas: 1, prepare: openTables });
const tables = openTables(registry);
const catalog = new Catalog(registry, builtinContracts());
console.log(
  JSON.stringify({
    deployments: tables.deployments.size,
    instances: tables.instances.size,
    active: catalog.activeIds().length,
  }),
);
await registry.close();
await nc.close();
