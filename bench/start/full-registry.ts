import { setTimeout as sleep } from "node:timers/promises";
import { createNodeSessionKey } from "@trellis/auth/node";
import { contractDigest, type Manifest } from "@trellis/contracts";
import type { ControlPlane } from "@trellis/platform";
import { benchService } from "../rpc/contracts.ts";

/** Four records each, all within what one transaction holds. */
const AT_ONCE = 100;

/**
 * Writes deployments with a key, a contract of its own and an authority that was accepted and materialized, in the
 * shape in which the platform left those of the deployment `model`.
 */
export async function fillRegistry({ context }: ControlPlane, model: string, deployments: number): Promise<void> {
  const { registry, tables } = context;
  const like = {
    deployment: need(tables.deployments.get(model)?.value),
    authority: need(tables.authorities.get(model)?.value),
    instance: need(tables.instances.by("deployment", model)[0]?.value),
    contract: need(tables.contracts.get(benchService.digest)?.value),
  };
  for (let from = 0; from < deployments; from += AT_ONCE) {
    await registry.transact((tx) => {
      for (let at = from; at < Math.min(from + AT_ONCE, deployments); at += 1) {
        const name = `service-${at}`;
        const manifest = manifestOf(at);
        const digest = contractDigest(manifest);
        const rename = <T extends { readonly contractId: string; readonly digest: string }>(of: T): T => ({
          ...of,
          contractId: manifest.id,
          digest,
        });
        const { desired, materialized, history } = like.authority;
        tx.put(tables.deployments, name, { ...like.deployment, name, lineage: `service-${at}` });
        const sessionKey = createNodeSessionKey().publicKey;
        tx.put(tables.instances, sessionKey, { ...like.instance, sessionKey, deployment: name });
        tx.put(tables.contracts, digest, { ...rename(like.contract), manifest });
        tx.put(tables.authorities, name, {
          ...like.authority,
          deployment: name,
          accepted: [digest],
          desired: rename(need(desired)),
          materialized: {
            ...rename(need(materialized)),
            bindings: { ...need(materialized).bindings, service: name },
          },
          history: history.map(rename),
        });
      }
    });
  }
}

/** Resolves when the deployment has been given everything its contract asks for. */
export async function untilMaterialized({ context }: ControlPlane, deployment: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; !context.tables.authorities.get(deployment)?.value.materialized;) {
    if (Date.now() > deadline) throw new Error(`${deployment} was not materialized`);
    await sleep(20);
  }
}

/** The benchmark's contract under another name and with subjects of its own. */
function manifestOf(at: number): Manifest {
  const text = JSON.stringify(benchService.manifest)
    .replaceAll("bench@v1", `service-${at}@v1`)
    .replaceAll("bench::", `service-${at}::`)
    .replaceAll("Bench.Ask", `Group${at}.Ask`);
  const manifest: Manifest = JSON.parse(text);
  return manifest;
}

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the model deployment is not complete");
  return value;
}
