import { answerOf } from "./answer.ts";
import type { Operator } from "./connect-operator.ts";
import { everyPage } from "./every-page.ts";

/** A plan names every surface and permission of a contract. */
const PLANS_AT_ONCE = 20;

/** Every service of the platform. */
export function allDeployments(operator: Operator) {
  return everyPage(async (from) => {
    const { deployments, nextCursor } = await answerOf(operator.rpc.auth.deploymentsList(from));
    return { items: deployments, nextCursor };
  });
}

/** Every contract the platform knows. */
export function allContracts(operator: Operator) {
  return everyPage(async (from) => {
    const { contracts, nextCursor } = await answerOf(operator.rpc.trellis.catalog(from));
    return { items: contracts, nextCursor };
  });
}

/** Every key, or those of one service. */
export function allInstances(operator: Operator, deployment: string | undefined) {
  return everyPage(async (from) => {
    const { instances, nextCursor } = await answerOf(
      operator.rpc.auth.instancesList({ ...from, ...(deployment === undefined ? {} : { deployment }) }),
    );
    return { items: instances, nextCursor };
  });
}

/** Every plan, or those of a service or with a status. */
export function allPlans(operator: Operator, filter: { readonly deployment?: string; readonly status?: string }) {
  return everyPage(async (from) => {
    const { plans, nextCursor } = await answerOf(operator.rpc.auth.authorityList({ ...from, ...filter }));
    return { items: plans, nextCursor };
  }, PLANS_AT_ONCE);
}

/** Every live connection, or those of one session. */
export function allConnections(operator: Operator, sessionKey: string | undefined) {
  return everyPage(async (from) => {
    const { connections, nextCursor } = await answerOf(
      operator.rpc.auth.connectionsList({ ...from, ...(sessionKey === undefined ? {} : { sessionKey }) }),
    );
    return { items: connections, nextCursor };
  });
}

/** Every consumer group, or those of one service. */
export function allGroups(operator: Operator, deployment: string | undefined) {
  return everyPage(async (from) => {
    const { groups, nextCursor } = await answerOf(
      operator.rpc.trellis.eventsGroupsList({ ...from, ...(deployment === undefined ? {} : { deployment }) }),
    );
    return { items: groups, nextCursor };
  });
}
