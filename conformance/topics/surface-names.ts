import {
  capabilityKey,
  contractName,
  eventSubjectTemplate,
  feedSubject,
  OPERATION_ACTIONS,
  operationControlSubject,
  operationRunSubject,
  operationSubject,
  rpcSubject,
  surfacePath,
} from "@trellis/contracts";
import { deploymentOfOperation } from "@trellis/protocol";
import { readInput } from "../input.ts";
import type { Topic } from "../topic.ts";

const names = [
  "Trellis.Surface.Status",
  "Trellis.Catalog",
  "Orders.Get",
  "Orders.GetAll.V2",
  "Auth.Sessions.Me",
  "HTTPApi.URLFor",
  "Ping",
  "A.B.C.D",
];
const operationIds = [
  "orders-eu_Zt0fW2mQ8cQm1vXh3kL9aA",
  "orders_-t0f_2mQ8cQm1vXh3kL9aA",
  "Zt0fW2mQ8cQm1vXh3kL9aA",
  "Orders_Zt0fW2mQ8cQm1vXh3kL9aA",
  "orders_",
  "_Zt0fW2mQ8cQm1vXh3kL9aA",
  "orders.eu_Zt0fW2mQ8cQm1vXh3kL9aA",
];
const keys: readonly (readonly [string, string])[] = [
  ["orders@v1", "read"],
  ["acme.orders@v2", "write"],
  ["orders@v1", "billing::read"],
  ["orders@v1", "admin"],
  ["orders@v1", "service"],
];

export const surfaceNamesTopic: Topic = {
  topic: "surface-names",
  about: [
    "input.name is a logical name: output.path is where code finds it (group: first segment, leaf: the rest, both lowerCamel), and the others are its subjects at version v1 (event: with the parameter /status; controls: at the deployment orders-eu).",
    "input.operationId is a text: output.deployment is the deployment that has the operation of this id, null where it is no id of an operation.",
    "input.contract and capability: output.key is the global key of a capability named in that contract, output.contractName the contract's id without its version.",
  ],
  given: [
    ...names.map((name) => ({ name, input: { name } })),
    ...operationIds.map((operationId) => ({ name: `operation ${operationId}`, input: { operationId } })),
    ...keys.map(([contract, capability]) => ({
      name: `${capability} of ${contract}`,
      input: { contract, capability },
    })),
  ],
  run(input) {
    const given = readInput(input);
    const operationId = given.optionalText("operationId");
    if (operationId !== undefined) return { deployment: deploymentOfOperation(operationId) ?? null };
    const name = given.optionalText("name");
    if (name === undefined) {
      const contract = given.text("contract");
      return { key: capabilityKey(contract, given.text("capability")), contractName: contractName(contract) };
    }
    const operation = operationSubject(name, "v1");
    return {
      path: { ...surfacePath(name) },
      rpc: rpcSubject(name, "v1"),
      operation,
      run: operationRunSubject(operation),
      controls: OPERATION_ACTIONS.map((action) => operationControlSubject(operation, action, "orders-eu")),
      event: eventSubjectTemplate(name, "v1", ["/status"]),
      feed: feedSubject(name, "v1"),
    };
  },
};
