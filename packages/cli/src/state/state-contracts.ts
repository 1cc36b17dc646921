import {
  baselineUses,
  type Contract,
  contractFromManifest,
  contractName,
  defineAgentContract,
  type Manifest,
  MANIFEST_FORMAT,
  parseManifest,
  suggestName,
} from "@trellis/contracts";
import { core } from "@trellis/sdk/core";
import { state } from "@trellis/sdk/state";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import { withClient } from "../platform-client/connect.ts";

/** Looks at what there is of the signed-in person; anybody may. */
export const lookContract = defineAgentContract({
  id: "trellis-state@v1",
  displayName: "trellis state",
  description: "Finds what is remembered for the person who typed it, and what it means.",
  uses: {
    required: {
      state: state.use({ rpc: { call: ["State.Overview"] } }),
      core: core.use({ rpc: { call: ["Trellis.Contract.Get"] } }),
    },
  },
});

/** The contract to reach one store with: found by its name in what the platform knows, and cut down to that store. */
export function findStore(context: CommandContext, written: string, store: string): Promise<Contract> {
  // People write the id as well.
  const contract = contractName(written);
  return withClient(context, lookContract, async (client) => {
    const { stores } = await answerOf(client.rpc.state.overview({ contract }));
    const found = stores.filter((each) => each.contract === contract && each.digest !== undefined);
    const digest = found.find((each) => each.store === store)?.digest;
    if (digest === undefined) {
      const isKnown = found.length > 0;
      throw new CliFailure({
        code: "unknown_store",
        what: isKnown
          ? `${contract} declares no state ${store}`
          : `no contract ${contract} that declares state is known here`,
        why: isKnown
          ? [
              suggestName(
                store,
                found.map((each) => each.store),
                "it has no state at all",
              ),
            ]
          : [],
        next: ["trellis state lists what there is of you", `run the app or agent once: then its contract is known`],
        exitCode: EXIT.notFound,
      });
    }
    const { manifest } = await answerOf(client.rpc.trellis.contractGet({ digest }));
    const parsed = parseManifest(manifest);
    if (!parsed.ok) throw new CliFailure({ code: "manifest_invalid", what: parsed.error.message });
    return contractForStore(parsed.value.manifest, store);
  });
}

/**
 * State belongs to the name of a contract, so this one has the name of the contract it stands in for. It declares the one
 * store that was typed, exactly as that contract does, and nothing else.
 */
export function contractForStore(manifest: Manifest, store: string): Contract {
  const declared = manifest.state?.[store];
  if (declared === undefined) throw new Error(`${manifest.id} has no state ${store}.`);
  const refs = [declared.schema, ...Object.values(declared.acceptedVersions ?? {})];
  return contractFromManifest({
    format: MANIFEST_FORMAT,
    id: manifest.id,
    displayName: "trellis state",
    description: `The state ${store} of ${manifest.id}, for the person who typed it.`,
    kind: "agent",
    schemas: Object.fromEntries(refs.map(({ schema }) => [schema, manifest.schemas?.[schema] ?? false])),
    state: { [store]: declared },
    uses: {
      required: Object.fromEntries(
        baselineUses("agent", manifest.id, { state: true }).map(({ alias, selection }) => [alias, selection]),
      ),
    },
  });
}
