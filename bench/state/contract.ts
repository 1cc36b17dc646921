import { defineAgentContract } from "@trellis/contracts";
import { Question } from "../rpc/question.ts";

/** An agent with a map of questions, and nothing else. */
export const keeper = defineAgentContract({ schemas: { Question } }, (ref) => ({
  id: "state-bench@v1",
  displayName: "State benchmark",
  description: "Remembers as fast as it can.",
  state: { questions: { kind: "map", schema: ref.schema("Question") } },
}));
