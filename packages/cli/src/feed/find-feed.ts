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

/** Finds the active contract that owns a feed. */
export async function findFeed(operator: Operator, name: string, contractId?: string): Promise<Manifest> {
  const { contracts } = await answerOf(operator.rpc.trellis.catalog({}));
  const services = contracts.filter(
    ({ id, kind }) => kind === "service" && (contractId === undefined || id === contractId),
  );
  const manifests: Manifest[] = [];
  for (const { digest } of services) {
    const { manifest } = await answerOf(operator.rpc.trellis.contractGet({ digest }));
    const parsed = parseManifest(manifest);
    if (parsed.ok) manifests.push(parsed.value.manifest);
  }
  const [owner, another] = manifests.filter(({ feeds }) => feeds !== undefined && Object.hasOwn(feeds, name));
  if (owner !== undefined && another === undefined) return owner;
  if (owner !== undefined) {
    throw new CliFailure({
      code: "ambiguous",
      what: `more than one contract has the feed ${name}`,
      why: [`${owner.id} and ${another?.id ?? "another"}`],
      next: [`say which: trellis feed ${name} --contract ${owner.id}`],
      exitCode: EXIT.usage,
    });
  }
  const all = manifests.flatMap(({ feeds }) => Object.keys(feeds ?? {}));
  throw new CliFailure({
    code: "unknown_feed",
    what: `no service here has a feed ${name}`,
    why: [suggestName(name, all, "there is no feed at all yet")],
    next: all.length > 0 ? ["trellis status lists the services that are known"] : ["start a service first"],
    exitCode: EXIT.notFound,
  });
}

/** The contract of one `trellis feed`: it may read exactly the one feed that was typed. */
export function contractForFeed(owner: Manifest, name: string): AnyContract {
  return defineAgentContract({
    id: "trellis-feed@v1",
    displayName: "trellis feed",
    description: `Reads ${name} for the person who typed it.`,
    uses: { required: { target: contractFromManifest(owner).use({ feeds: { subscribe: [name] } }) } },
  });
}
