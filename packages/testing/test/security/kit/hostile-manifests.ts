import { type Manifest, MANIFEST_FORMAT, type UseSelection } from "@trellis/contracts";

const any = { schema: "Any" };
const asks = { auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Requests.Validate"] } } };

/** A service with one of everything that is stored, under a name of its own. */
export function fullService(name: string, more: Partial<Manifest> = {}): Manifest {
  const word = name.charAt(0).toUpperCase() + name.slice(1);
  return {
    format: MANIFEST_FORMAT,
    id: `${name}@v1`,
    displayName: name,
    description: `The service ${name} of a security test.`,
    kind: "service",
    schemas: { Any: {} },
    rpc: { [`${word}.Secret`]: { version: "v1", subject: `rpc.v1.${word}.Secret`, input: any, output: any } },
    events: { [`${word}.Told`]: { version: "v1", subject: `events.v1.${word}.Told`, event: any } },
    jobs: { queue: { payload: any } },
    eventConsumers: { group: { self: [`${word}.Told`], replay: "all", ordering: "strict", concurrency: 1 } },
    resources: { kv: { cache: { purpose: "Test.", schema: any, history: 5 } }, store: { files: { purpose: "Test." } } },
    uses: { required: asks },
    ...more,
  };
}

/** An agent that uses this and nothing else. */
export function agentOf(
  name: string,
  uses: { readonly [alias: string]: UseSelection },
  more: Partial<Manifest> = {},
): Manifest {
  return {
    format: MANIFEST_FORMAT,
    id: `${name}@v1`,
    displayName: name,
    description: `The agent ${name} of a security test.`,
    kind: "agent",
    schemas: { Any: {} },
    uses: { required: { ...uses, own: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Sessions.Me"] } } } },
    ...more,
  };
}
