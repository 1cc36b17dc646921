import type { Link } from "@trellis/client/internal";
import type { KvBinding } from "@trellis/contracts";
import type { OwnStream } from "../jetstream/own-stream.ts";
import type { KvValues } from "./kv-values.ts";
import type { NewestRevisions } from "./newest-revisions.ts";

/** What everything that works on one bucket shares. */
export interface BucketParts<V> {
  readonly link: Link;
  readonly bucket: string;
  readonly stream: OwnStream;
  readonly values: KvValues<V>;
  readonly newest: NewestRevisions;
  readonly binding: () => KvBinding;
  /** How long a key that ended is remembered. */
  readonly endKeptMs: number;
}
