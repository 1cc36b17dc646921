import { defineServiceContract } from "@trellis/contracts";
import { Question } from "../rpc/question.ts";

/** A service with a bucket and nothing else. */
export const storage = defineServiceContract({ schemas: { Question } }, (ref) => ({
  id: "storage-bench@v1",
  displayName: "Storage benchmark",
  description: "Stores and reads as fast as it can.",
  resources: {
    kv: { questions: { purpose: "What is stored and read", schema: ref.schema("Question") } },
  },
}));
