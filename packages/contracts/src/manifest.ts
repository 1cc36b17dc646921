/**
 * The manifest `trellis.contract.v1`: a contract as plain JSON. Everything else in Trellis — types, digest,
 * permissions, resources, review — is derived from a value of this shape and from nothing else.
 */

/** The only manifest format this version understands. */
export const MANIFEST_FORMAT = "trellis.contract.v1";

export type JsonPrimitive = string | number | boolean | null;
export type Json = JsonPrimitive | readonly Json[] | { readonly [key: string]: Json };

/** A self-contained JSON Schema 2019-09 document (no `$ref`), kept as data. */
export type JsonSchema = boolean | { readonly [keyword: string]: Json };

export type ContractKind = "service" | "app" | "agent" | "device";

/** Points at a key of the manifest's `schemas`. */
export interface SchemaRef {
  readonly schema: string;
}

export interface ErrorRef {
  readonly type: string;
}

export interface Docs {
  readonly summary?: string;
  readonly markdown?: string;
}

export interface CapabilityMeta {
  readonly displayName: string;
  readonly description: string;
  readonly consequence?: string;
}

/** What one alias takes from another contract. */
export interface UseSelection {
  readonly contract: string;
  readonly rpc?: { readonly call: readonly string[] };
  readonly operations?: { readonly call: readonly string[] };
  readonly events?: { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] };
  readonly feeds?: { readonly subscribe: readonly string[] };
}

export interface Uses {
  readonly required?: { readonly [alias: string]: UseSelection };
  readonly optional?: { readonly [alias: string]: UseSelection };
}

export interface RpcManifest {
  readonly version: string;
  readonly subject: string;
  readonly input: SchemaRef;
  readonly output: SchemaRef;
  readonly capabilities?: { readonly call?: readonly string[] };
  readonly errors?: readonly ErrorRef[];
  readonly transfer?: { readonly direction: "receive" };
  /** Claimed by compare-and-set across replicas, so no replica accepts the same request id again. */
  readonly once?: true;
  readonly docs?: Docs;
}

export interface OperationTransfer {
  readonly direction: "send";
  readonly store: string;
  readonly key: string;
  readonly contentType?: string;
  readonly metadata?: string;
  readonly expiresInMs?: number;
  readonly maxBytes?: number;
}

export interface OperationManifest {
  readonly version: string;
  readonly subject: string;
  readonly input: SchemaRef;
  readonly progress?: SchemaRef;
  readonly output: SchemaRef;
  readonly capabilities?: {
    readonly call?: readonly string[];
    readonly observe?: readonly string[];
    readonly cancel?: readonly string[];
    readonly control?: readonly string[];
  };
  readonly signals?: { readonly [name: string]: { readonly input: SchemaRef } };
  readonly cancel?: boolean;
  readonly transfer?: OperationTransfer;
  /** How it may fail for good; any other failure of its handler is tried again. */
  readonly errors?: readonly ErrorRef[];
  /** Attempts that may fail or be lost with their process before it has failed. */
  readonly maxAttempts?: number;
  /** Pauses between failed attempts, the last one repeated. */
  readonly backoffMs?: readonly number[];
  /** From being accepted to its end, unless whoever starts it says otherwise; absent, it may take for ever. */
  readonly defaultDeadlineMs?: number;
  /** How long what became of it can be asked for after its end. */
  readonly retentionMs?: number;
  readonly docs?: Docs;
}

export interface EventManifest {
  readonly version: string;
  /** Without parameters the exact subject; with parameters a template: `events.v1.Orders.Placed.{/status}`. */
  readonly subject: string;
  readonly params?: readonly string[];
  readonly event: SchemaRef;
  readonly capabilities?: { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] };
  readonly docs?: Docs;
}

export interface FeedManifest {
  readonly version: string;
  readonly subject: string;
  readonly input: SchemaRef;
  readonly event: SchemaRef;
  readonly capabilities?: { readonly subscribe?: readonly string[] };
  readonly docs?: Docs;
}

/** At most so many in each stretch of this length. */
export interface RateManifest {
  readonly limit: number;
  readonly perMs: number;
}

/** Creates a job whenever it is due. */
export interface ScheduleManifest {
  /** `minute hour day month weekday`, or six fields with seconds in front. */
  readonly cron: string;
  /** Of the time zone database; UTC without it. */
  readonly timeZone?: string;
  readonly payload: Json;
  /** What happens while the job of an earlier time has not ended. `allow` without it. */
  readonly overlap?: "allow" | "skip" | "replace";
  /** Which of the times are made up for that passed while the platform was away. `last` without it. */
  readonly catchUp?: "none" | "last" | "all";
}

export interface JobManifest {
  readonly payload: SchemaRef;
  readonly result?: SchemaRef;
  readonly maxDeliver?: number;
  readonly backoffMs?: readonly number[];
  readonly ackWaitMs?: number;
  readonly defaultDeadlineMs?: number;
  readonly progress?: boolean;
  readonly logs?: boolean;
  readonly dlq?: boolean;
  readonly concurrency?: number;
  /** Jobs may be created with a priority. */
  readonly priorities?: true;
  /** Begun, over all replicas. */
  readonly rate?: RateManifest;
  /** Of the jobs created for the same group, over all replicas. */
  readonly perGroup?: { readonly concurrency?: number; readonly rate?: RateManifest };
  readonly schedules?: { readonly [name: string]: ScheduleManifest };
}

export interface EventConsumerManifest {
  readonly uses?: { readonly [alias: string]: readonly string[] };
  readonly self?: readonly string[];
  readonly replay: "new" | "all";
  readonly ordering: "strict";
  readonly concurrency: number;
  readonly ackWaitMs?: number;
  readonly maxDeliver?: number;
  readonly backoffMs?: readonly number[];
}

export interface StateManifest {
  readonly kind: "value" | "map";
  readonly schema: SchemaRef;
  readonly stateVersion?: string;
  readonly acceptedVersions?: { readonly [version: string]: SchemaRef };
}

export interface KvManifest {
  readonly purpose: string;
  readonly schema: SchemaRef;
  readonly required?: boolean;
  readonly history?: number;
  readonly ttlMs?: number;
  readonly maxValueBytes?: number;
}

export interface StoreManifest {
  readonly purpose: string;
  readonly required?: boolean;
  readonly ttlMs?: number;
  readonly maxTotalBytes?: number;
  readonly maxObjectBytes?: number;
}

export interface ErrorManifest {
  readonly type: string;
  readonly schema?: SchemaRef;
}

/** A whole contract as JSON. Optional members are absent, never empty, once normalized. */
export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  /** `name@vN`; the name without the version is the prefix of the contract's capability keys. */
  readonly id: string;
  readonly displayName: string;
  readonly description: string;
  readonly kind: ContractKind;
  readonly docs?: Docs;
  /** Keys are global: `orders::read`. */
  readonly capabilities?: { readonly [key: string]: CapabilityMeta };
  readonly schemas?: { readonly [name: string]: JsonSchema };
  readonly exports?: { readonly schemas?: readonly string[] };
  readonly state?: { readonly [store: string]: StateManifest };
  readonly uses?: Uses;
  readonly rpc?: { readonly [name: string]: RpcManifest };
  readonly operations?: { readonly [name: string]: OperationManifest };
  readonly events?: { readonly [name: string]: EventManifest };
  readonly feeds?: { readonly [name: string]: FeedManifest };
  readonly errors?: { readonly [name: string]: ErrorManifest };
  readonly jobs?: { readonly [queue: string]: JobManifest };
  readonly eventConsumers?: { readonly [group: string]: EventConsumerManifest };
  readonly resources?: {
    readonly kv?: { readonly [alias: string]: KvManifest };
    readonly store?: { readonly [alias: string]: StoreManifest };
  };
}
