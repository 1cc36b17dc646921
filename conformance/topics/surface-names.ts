import {
  capabilityKey,
  contractName,
  eventSubjectTemplate,
  feedSubject,
  OPERATION_ACTIONS,
  operationControlSubject,
  operationSubject,
  rpcSubject,
  surfacePath,
} from "@trellis/contracts";
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
    "input.name is a logical name: output.path is where code finds it (group: first segment, leaf: the rest, both lowerCamel), and the others are its subjects at version v1 (event: with the parameter /status).",
    "input.contract and capability: output.key is the global key of a capability named in that contract, output.contractName the contract's id without its version.",
  ],
  given: [
    ...names.map((name) => ({ name, input: { name } })),
    ...keys.map(([contract, capability]) => ({
      name: `${capability} of ${contract}`,
      input: { contract, capability },
    })),
  ],
  run(input) {
    const given = readInput(input);
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
      controls: OPERATION_ACTIONS.map((action) => operationControlSubject(operation, action)),
      event: eventSubjectTemplate(name, "v1", ["/status"]),
      feed: feedSubject(name, "v1"),
    };
  },
};
