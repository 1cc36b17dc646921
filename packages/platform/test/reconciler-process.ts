import { connect } from "@nats-io/transport-node";
import { createContext } from "../src/authority/context.ts";
import { createReconciler } from "../src/authority/reconciler.ts";
import { builtinContracts } from "../src/catalog/builtins.ts";
import { Catalog } from "../src/catalog/catalog.ts";
import { NOBODY_LIVE } from "../src/catalog/liveness.ts";
import { openRegistry } from "../src/registry/open.ts";
import { createResourceStore } from "../src/resources/jetstream.ts";
import { SHARED_STREAM_DEFAULTS } from "../src/resources/shared-streams.ts";

// A reconciler in a process of its own, to be killed. It ends with its standard input.
const [url = ""] = process.argv.slice(2);
process.stdin.on("end", () => process.exit(0)).resume();
const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
const registry = await openRegistry({ nc, replicas: 1 });
const context = createContext({ registry, catalog: new Catalog(registry, builtinContracts()), liveness: NOBODY_LIVE });
const reconciler = createReconciler({ context, store: createResourceStore(nc, SHARED_STREAM_DEFAULTS) });
process.stdout.write("reconciling\n");
await reconciler.run(new AbortController().signal);
