import { type Manifest, parseManifest, suggestName } from "@trellis/contracts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import type { Operator } from "../platform-client/connect-operator.ts";
import { allContracts } from "../platform-client/whole-lists.ts";

/** What a command works on: where a manifest declares it, what people call it, and the command. */
const KINDS = {
  rpc: { one: "an RPC", word: "RPC", command: "call" },
  operations: { one: "an operation", word: "operation", command: "start" },
  feeds: { one: "a feed", word: "feed", command: "feed" },
  events: { one: "an event", word: "event", command: "listen" },
} as const;

export type FoundKind = keyof typeof KINDS;

/** Finds the active contract that owns an RPC, an operation, a feed or an event. */
export async function findSurface(
  operator: Operator,
  kind: FoundKind,
  name: string,
  contractId?: string,
): Promise<Manifest> {
  const { one, word, command } = KINDS[kind];
  const manifests = await activeManifests(operator, contractId);
  const owners = manifests.filter((manifest) => Object.hasOwn(manifest[kind] ?? {}, name));
  const [owner, another] = owners;
  if (owner !== undefined && another === undefined) return owner;
  if (owner !== undefined) {
    throw new CliFailure({
      code: "ambiguous",
      what: `more than one contract has the ${word} ${name}`,
      why: owners.map(({ id }) => id),
      next: [`say which: trellis ${command} ${name} --contract ${owner.id}`],
      exitCode: EXIT.usage,
    });
  }
  const other = otherKind(manifests, name);
  if (other !== undefined) {
    throw new CliFailure({
      code: `unknown_${word.toLowerCase()}`,
      what: `${name} is ${KINDS[other].one}, and no ${word}`,
      next: [`trellis ${KINDS[other].command} ${name}`],
      exitCode: EXIT.notFound,
    });
  }
  const all = manifests.flatMap((manifest) => Object.keys(manifest[kind] ?? {}));
  throw new CliFailure({
    code: `unknown_${word.toLowerCase()}`,
    what: `no service here has ${one} ${name}`,
    why: [suggestName(name, all, `there is no ${word} at all yet`)],
    next: all.length > 0 ? ["trellis status lists the services that are known"] : ["start a service first"],
    exitCode: EXIT.notFound,
  });
}

/** What else goes by the name. */
function otherKind(manifests: readonly Manifest[], name: string): FoundKind | undefined {
  const kinds: readonly FoundKind[] = ["rpc", "operations", "feeds", "events"];
  return kinds.find((kind) => manifests.some((manifest) => Object.hasOwn(manifest[kind] ?? {}, name)));
}

async function activeManifests(operator: Operator, contractId: string | undefined): Promise<readonly Manifest[]> {
  const services = (await allContracts(operator)).filter(
    ({ id, kind }) => kind === "service" && (contractId === undefined || id === contractId),
  );
  const manifests = await Promise.all(
    services.map(async ({ digest }) => {
      const { manifest } = await answerOf(operator.rpc.trellis.contractGet({ digest }));
      const parsed = parseManifest(manifest);
      return parsed.ok ? [parsed.value.manifest] : [];
    }),
  );
  return manifests.flat();
}
