import {
  type AnyContract,
  contractFromManifest,
  defineAgentContract,
  type Manifest,
  parseManifest,
  suggestName,
} from "@trellis/contracts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import type { Operator } from "../platform-client/connect-operator.ts";

/** Finds the active contract that owns an RPC. */
export async function findRpc(operator: Operator, name: string, contractId?: string): Promise<Manifest> {
  const { contracts } = await answerOf(operator.rpc.trellis.catalog({}));
  const known = contracts.filter(
    ({ id, kind }) => kind === "service" && (contractId === undefined || id === contractId),
  );
  const manifests = await Promise.all(
    known.map(async ({ digest }) => {
      const { manifest } = await answerOf(operator.rpc.trellis.contractGet({ digest }));
      const parsed = parseManifest(manifest);
      return parsed.ok ? [parsed.value.manifest] : [];
    }),
  );
  const owners = manifests.flat().filter((manifest) => manifest.rpc?.[name] !== undefined);
  const [owner, another] = owners;
  if (owner !== undefined && another === undefined) return owner;
  if (owner !== undefined) {
    throw new CliFailure({
      code: "ambiguous",
      what: `more than one contract has ${name}`,
      why: owners.map(({ id }) => id),
      next: [`say which: trellis call ${name} --contract ${owner.id}`],
      exitCode: EXIT.usage,
    });
  }
  const all = manifests.flat().flatMap((manifest) => Object.keys(manifest.rpc ?? {}));
  throw new CliFailure({
    code: "unknown_rpc",
    what: `no service here has an RPC ${name}`,
    why: [suggestName(name, all, "there is no RPC at all yet")],
    next: all.length > 0 ? ["trellis status lists the services that are known"] : ["start a service first"],
    exitCode: EXIT.notFound,
  });
}

/** The contract of one `trellis call`: it may do exactly the one thing that was typed. */
export function contractForCall(owner: Manifest, name: string): AnyContract {
  return defineAgentContract({
    id: "trellis-call@v1",
    displayName: "trellis call",
    description: `Calls ${name} once for the person who typed it.`,
    uses: { required: { target: contractFromManifest(owner).use({ rpc: { call: [name] } }) } },
  });
}
