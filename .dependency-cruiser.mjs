// The house of design/architecture.md: arrows point one way. Each package may import only what is listed for it.
const mayKnow = {
  result: [],
  contracts: ["result"],
  sdk: ["contracts"],
  protocol: ["contracts", "result"],
  auth: ["protocol", "contracts", "result"],
  telemetry: [],
  client: ["auth", "sdk", "telemetry", "protocol", "contracts", "result"],
  jobs: ["client", "telemetry", "protocol", "contracts", "result"],
  server: ["jobs", "client", "auth", "sdk", "telemetry", "protocol", "contracts", "result"],
  outbox: ["server", "client", "contracts", "result"],
  nats: [],
  platform: ["server", "jobs", "client", "auth", "sdk", "telemetry", "nats", "protocol", "contracts", "result"],
  testing: ["platform", "jobs", "server", "client", "auth", "sdk", "nats", "protocol", "contracts", "result"],
  cli: ["client", "server", "platform", "auth", "sdk", "nats", "protocol", "contracts", "result"],
};

const names = Object.keys(mayKnow);

export default {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    ...names.map((name) => ({
      name: `${name}-knows-too-much`,
      severity: "error",
      from: { path: `^packages/${name}/src/`, pathNot: "\\.test(-d)?\\.ts$" },
      to: {
        path: `^packages/(${names.filter((other) => other !== name && !mayKnow[name].includes(other)).join("|")})/`,
      },
    })),
    {
      name: "no-reaching-inside",
      comment: "Packages meet at their exports, never by relative path.",
      severity: "error",
      from: { path: "^packages/([^/]+)/src/" },
      to: { path: "^packages/([^/]+)/", pathNot: "^packages/$1/", dependencyTypes: ["local"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules|/dist/" },
    exclude: { path: "/dist/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "default"], extensions: [".ts"] },
  },
};
