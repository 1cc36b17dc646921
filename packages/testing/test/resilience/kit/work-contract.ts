import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Task = Type.Object({ n: Type.Integer(), ms: Type.Optional(Type.Integer({ minimum: 0 })) });
const Done = Type.Object({ n: Type.Integer(), pid: Type.Integer() });

const schemas = { Task, Done };

/** A service that works for as long as it is told. */
export const work = defineServiceContract({ schemas }, (ref) => ({
  id: "work@v1",
  displayName: "Work",
  description: "Works for as long as it is told.",
  capabilities: { use: { displayName: "Have work done", description: "Ask for work." } },
  rpc: {
    "Work.Do": {
      version: "v1",
      input: ref.schema("Task"),
      output: ref.schema("Done"),
      capabilities: { call: ["use"] },
    },
  },
}));

/** Another one, so that something can be seen to hold everywhere. */
export const chores = defineServiceContract({ schemas }, (ref) => ({
  id: "chores@v1",
  displayName: "Chores",
  description: "The same in another service.",
  rpc: { "Chores.Do": { version: "v1", input: ref.schema("Task"), output: ref.schema("Done") } },
}));

/** Has work done. */
export const boss = defineAgentContract({
  id: "boss@v1",
  displayName: "Boss",
  description: "Has work done.",
  uses: { required: { work: work.use({ rpc: { call: ["Work.Do"] } }) } },
});

/** Has both done. */
export const household = defineAgentContract({
  id: "household@v1",
  displayName: "Household",
  description: "Has work and chores done.",
  uses: {
    required: {
      work: work.use({ rpc: { call: ["Work.Do"] } }),
      chores: chores.use({ rpc: { call: ["Chores.Do"] } }),
    },
  },
});
