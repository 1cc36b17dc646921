import { err, ok } from "@trellis/result";
import { ContractNotFound, type core } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import type { CatalogEntry } from "../catalog/catalog.ts";
import { surfaceStatus } from "../catalog/surface-status.ts";
import type { SessionDirectory } from "../identity/session-directory.ts";
import type { HandlersOf } from "./handler.ts";
import { fittingPage } from "./page.ts";

/** `trellis.core@v1`: the catalogue, single contracts, and whether a surface could be used. */
export function coreHandlers(
  context: ControlContext,
  directory: Pick<SessionDirectory, "grants">,
): HandlersOf<typeof core, "Trellis.Catalog" | "Trellis.Contract.Get" | "Trellis.Surface.Status"> {
  const { catalog, liveness, registry } = context;
  return {
    "Trellis.Catalog": async ({ input }) => {
      const view = ({ contractId, digest, manifest, active }: CatalogEntry) => ({
        id: contractId,
        digest,
        displayName: manifest.displayName,
        description: manifest.description,
        kind: manifest.kind,
        active: active !== undefined,
        deployments: [...(active?.deployments ?? [])],
        liveReplicas: (active?.deployments ?? []).reduce((sum, deployment) => sum + liveness.replicas(deployment), 0),
      });
      const { items, ...more } = fittingPage(catalog.entries(), ({ contractId }) => contractId, view, input);
      return ok({ contracts: items, revision: registry.revision, ...more });
    },
    "Trellis.Contract.Get": async ({ input }) => {
      const byId =
        input.id === undefined ? undefined : catalog.entries().find((entry) => entry.contractId === input.id);
      const digest = input.digest ?? byId?.digest;
      const manifest = digest === undefined ? undefined : catalog.manifest(digest);
      if (digest === undefined || !manifest)
        return err(new ContractNotFound({ contract: input.digest ?? input.id ?? "without a name" }));
      return ok({ digest, manifest });
    },
    "Trellis.Surface.Status": async ({ input, caller }) => {
      const grants = await directory.grants(caller.sessionKey);
      return ok(surfaceStatus(catalog, liveness, input, grants?.ok ? grants.value.capabilities : new Set()));
    },
  };
}
