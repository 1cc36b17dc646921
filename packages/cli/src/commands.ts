import type { CommandEntry } from "./command.ts";

/** Every command, in the order in which people meet them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "init",
    summary: "Begin a service: a contract, a main file and a test.",
    load: async () => (await import("./init/register.ts")).registerInit,
  },
  {
    name: "up",
    summary: "Run a platform on this machine until Ctrl-C.",
    load: async () => (await import("./local/register-up.ts")).registerUp,
  },
  {
    name: "dev",
    summary: "Run a platform and your service, again after every change.",
    load: async () => (await import("./dev/register.ts")).registerDev,
  },
  {
    name: "call",
    summary: "Call an RPC and print its answer as JSON.",
    load: async () => (await import("./call/register.ts")).registerCall,
  },
  {
    name: "start",
    summary: "Start an operation and follow it to its end.",
    load: async () => (await import("./operations/register-start.ts")).registerStart,
  },
  {
    name: "watch",
    summary: "Follow an operation you started to its end.",
    load: async () => (await import("./operations/register-watch.ts")).registerWatch,
  },
  {
    name: "feed",
    summary: "Read a feed and print its frames as they come.",
    load: async () => (await import("./feed/register.ts")).registerFeed,
  },
  {
    name: "listen",
    summary: "Hear an event live and print it as it comes.",
    load: async () => (await import("./listen/register.ts")).registerListen,
  },
  {
    name: "status",
    summary: "What runs: the platform, its services, their contracts.",
    load: async () => (await import("./status/register-status.ts")).registerStatus,
  },
  {
    name: "doctor",
    summary: "Find out what is wrong on this machine and what to do about it.",
    load: async () => (await import("./status/register-doctor.ts")).registerDoctor,
  },
  {
    name: "logs",
    summary: "The logs of the platform of this folder.",
    load: async () => (await import("./local/register-logs.ts")).registerLogs,
  },
  {
    name: "svc",
    summary: "Services: deployments, plans, instances.",
    load: async () => (await import("./service/register.ts")).registerService,
  },
  {
    name: "events",
    summary: "Consumer groups: their lag, their dead letters, pausing them.",
    load: async () => (await import("./events/register-events.ts")).registerEvents,
  },
  {
    name: "jobs",
    summary: "Jobs of services: what waits, runs or failed; retry, cancel, replay, schedules.",
    load: async () => (await import("./jobs/register.ts")).registerJobs,
  },
  {
    name: "kv",
    summary: "Buckets of services: keys, values, their history and changes.",
    load: async () => (await import("./kv/register.ts")).registerKv,
  },
  {
    name: "store",
    summary: "Object stores of services: list, fetch and store files.",
    load: async () => (await import("./store/register.ts")).registerStore,
  },
  {
    name: "operations",
    summary: "Operations of services: what runs, rests or has failed; cancel, retry.",
    load: async () => (await import("./operations/register-operations.ts")).registerOperations,
  },
  {
    name: "state",
    summary: "What apps, agents and devices remember for you; for operators, for others.",
    load: async () => (await import("./state/register.ts")).registerState,
  },
  {
    name: "sessions",
    summary: "Sessions and connections: see them, end them.",
    load: async () => (await import("./access/register-sessions.ts")).registerSessions,
  },
  {
    name: "users",
    summary: "People, their groups and their keys.",
    load: async () => (await import("./access/register-users.ts")).registerUsers,
  },
  {
    name: "why",
    summary: "Why a session may, or may not, use a subject.",
    load: async () => (await import("./access/register-why.ts")).registerWhy,
  },
  {
    name: "audit",
    summary: "Who decided what, newest first.",
    load: async () => (await import("./access/register-audit.ts")).registerAudit,
  },
  {
    name: "contract",
    summary: "Check, compare and print contracts; needs no platform.",
    load: async () => (await import("./contract/register.ts")).registerContract,
  },
  {
    name: "keys",
    summary: "Make and show keys; nothing leaves this machine.",
    load: async () => (await import("./keys/register.ts")).registerKeys,
  },
  {
    name: "nats",
    summary: "Make the keys and configuration of NATS servers you run yourself.",
    load: async () => (await import("./nats/register.ts")).registerNats,
  },
  {
    name: "completion",
    summary: "Print the script that completes commands in your shell.",
    load: async () => (await import("./completion/register.ts")).registerCompletion,
  },
  {
    name: "complete",
    summary: "Answer the shell's completion script.",
    hidden: true,
    load: async () => (await import("./completion/register-complete.ts")).registerComplete,
  },
];
