import { createHash } from "node:crypto";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import type { JsonSchema, StoreBinding } from "@trellis/contracts";
import {
  createKv,
  type Kv,
  type PiecewiseUploads,
  piecewiseUploads,
  type Store,
  storeOf,
  storeParts,
} from "@trellis/server/internal";
import { PIECE_BYTES } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import { isJsError, jsApi, JS_ERRORS } from "../registry/jetstream-api.ts";
import { ownerOf, type PhysicalConfig } from "./physical.ts";
import { physicalName } from "./resource-plan.ts";

/**
 * Buckets and stores of services as an operator reaches them: through the code services use themselves, over the
 * connection of the control plane, so that limits, watchers and whatever else they rely on hold for operators too.
 */
export interface ServiceData {
  /** A bucket as it is stored, whatever its schema says; also one that is released. `undefined`: there is none. */
  bucket(deployment: string, alias: string): Promise<Kv | undefined>;
  /** The same to write to, checked by the contract in force; `undefined` when none names it. */
  writableBucket(deployment: string, alias: string): Kv | undefined;
  store(deployment: string, alias: string): Promise<OperatorStore | undefined>;
  /** The same to write to, with the limits in force; `undefined` when no contract names it. */
  writableStore(deployment: string, alias: string): OperatorStore | undefined;
}

/** A store, and uploads into it in pieces. */
export interface OperatorStore extends Store {
  readonly uploads: PiecewiseUploads;
}

const ANYTHING: JsonSchema = true;

/** Works over a connection among participants, and looks at JetStream over one in the DATA account. */
export function createServiceData(context: ControlContext, link: Link, data: NatsConnection): ServiceData {
  const inForce = (deployment: string) => {
    const { materialized } = context.tables.authorities.get(deployment)?.value ?? {};
    const manifest = materialized && context.catalog.manifest(materialized.digest);
    return materialized && manifest && { bindings: materialized.bindings, manifest };
  };
  const exists = async (stream: string, deployment: string, alias: string): Promise<boolean> => {
    try {
      const { config } = await jsApi<{ config: PhysicalConfig }>(data, `STREAM.INFO.${stream}`);
      const owner = ownerOf(config);
      return owner?.deployment === deployment && owner.alias === alias;
    } catch (error) {
      if (isJsError(error, JS_ERRORS.streamNotFound)) return false;
      throw error;
    }
  };
  return {
    async bucket(deployment, alias) {
      const bucket = physicalName(deployment, alias);
      if (!(await exists(`KV_${bucket}`, deployment, alias))) return undefined;
      return createKv({ link, binding: () => ({ bucket, history: 1, ttlMs: 0 }), schema: ANYTHING });
    },
    writableBucket(deployment, alias) {
      const { bindings, manifest } = inForce(deployment) ?? {};
      const binding = own(bindings?.kv, alias);
      const declared = own(manifest?.resources?.kv, alias);
      if (binding === undefined || declared === undefined) return undefined;
      return createKv({ link, binding: () => binding, schema: manifest?.schemas?.[declared.schema.schema] ?? false });
    },
    async store(deployment, alias) {
      const bucket = physicalName(deployment, alias);
      return (await exists(`OBJ_${bucket}`, deployment, alias)) ? openStore(link, { bucket }) : undefined;
    },
    writableStore(deployment, alias) {
      const binding = own(inForce(deployment)?.bindings.store, alias);
      return binding && openStore(link, binding);
    },
  };
}

function openStore(link: Link, binding: StoreBinding): OperatorStore {
  const parts = storeParts({ link, binding: () => binding, newHash: () => createHash("sha256") });
  return { ...storeOf(parts), uploads: piecewiseUploads(parts, PIECE_BYTES) };
}

function own<T>(members: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined;
}
