import { derivePermissions, parseManifest } from "@trellis/contracts";
import type { Bindings, Json, Manifest, PermissionRule } from "@trellis/contracts";
import { inboxPrefix } from "@trellis/protocol";
import { readInput } from "../input.ts";
import { ORDERS, SHOP } from "../manifests.ts";
import { SEED, testKey } from "../test-key.ts";
import type { Topic } from "../topic.ts";

const NO_BINDINGS = { kv: {}, store: {}, jobs: {}, eventConsumers: {} };
/** The physical names the orders service was given. */
const ORDERS_BINDINGS: Json & Bindings = {
  service: "orders",
  kv: { orders: { bucket: "orders_orders", history: 2, ttlMs: 0 } },
  store: { invoices: { bucket: "orders_invoices" } },
  jobs: { mail: { stream: "JOBS_WORK", consumer: "orders_mail" } },
  eventConsumers: { audit: { stream: "EVENTS", consumer: "orders_audit" } },
};

const common = { inboxPrefix: inboxPrefix(testKey(SEED).sessionKey), bindings: NO_BINDINGS };
const shop = { ...common, manifest: SHOP, uses: { orders: ORDERS, news: ORDERS } };
const all = ["orders::read", "orders::write"];

export const permissionsTopic: Topic = {
  topic: "permissions",
  about: [
    "input: the manifest of a participant, the active contracts behind its granted aliases, the capabilities its principal holds, its inbox prefix, and the physical names it was given.",
    "output: exactly the subjects it may publish and subscribe, sorted; `subject queue` where it subscribes only as a member of that queue group. Reasons are for people and not compared.",
  ],
  given: [
    {
      name: "a service with some of every surface",
      input: { ...common, manifest: ORDERS, uses: {}, capabilities: ["service"], bindings: ORDERS_BINDINGS },
    },
    {
      name: "a service before its resources exist",
      input: { ...common, manifest: ORDERS, uses: {}, capabilities: ["service"] },
    },
    { name: "an app that holds everything", input: { ...shop, capabilities: all } },
    { name: "an app that may read", input: { ...shop, capabilities: ["orders::read"] } },
    { name: "an app that holds nothing", input: { ...shop, capabilities: [] } },
    { name: "an optional use that is not granted", input: { ...shop, uses: { orders: ORDERS }, capabilities: all } },
    {
      name: "a contract of another id behind the alias",
      input: { ...shop, uses: { orders: { ...ORDERS, id: "orders@v2" } }, capabilities: all },
    },
  ],
  run(input) {
    const given = readInput(input);
    const uses = Object.entries(given.json("uses") ?? {}).map(
      ([alias, manifest]) => [alias, asManifest(manifest)] as const,
    );
    const permissions = derivePermissions({
      manifest: asManifest(given.json("manifest")),
      uses: Object.fromEntries(uses),
      capabilities: new Set(given.list("capabilities").filter((key) => typeof key === "string")),
      inboxPrefix: given.text("inboxPrefix"),
      bindings: asBindings(given.json("bindings")),
    });
    return { publish: lines(permissions.publish), subscribe: lines(permissions.subscribe) };
  },
};

function lines(rules: readonly PermissionRule[]): readonly string[] {
  return rules.map(({ subject, queue }) => (queue === undefined ? subject : `${subject} ${queue}`)).sort();
}

function asManifest(value: Json): Manifest {
  const parsed = parseManifest(value);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value.manifest;
}

/** The bindings of the cases are the two above; a committed file that holds others is not of this topic. */
function asBindings(value: Json): Bindings {
  const text = JSON.stringify(value);
  const known = [NO_BINDINGS, ORDERS_BINDINGS].find((bindings) => JSON.stringify(bindings) === text);
  if (known === undefined) throw new Error("unknown bindings");
  return known;
}
