import { answerOf } from "../platform-client/answer.ts";
import type { Operator } from "../platform-client/connect-operator.ts";

/** A list of one service is empty: is there such a service at all? Fails when not, so that a wrong name is not taken for an idle one. */
export async function requireDeployment(operator: Operator, name: string | undefined): Promise<void> {
  if (name !== undefined) await answerOf(operator.rpc.auth.deploymentsGet({ deployment: name }));
}
