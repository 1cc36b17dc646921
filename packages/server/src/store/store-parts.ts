import type { Link } from "@trellis/client/internal";
import type { StoreBinding } from "@trellis/contracts";
import type { Sha256Stream } from "@trellis/protocol";
import type { OwnStream } from "../jetstream/own-stream.ts";
import { persist } from "../jetstream/persist.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import type { NewestRevisions } from "../kv/newest-revisions.ts";
import { descriptionSubject, readDescription } from "./object-layout.ts";
import type { ObjectDescription } from "./object-layout.ts";
import type { UploadRecords } from "./upload-records.ts";

/** What everything that works on one store shares. */
export interface StoreParts {
  readonly link: Link;
  readonly bucket: string;
  readonly stream: OwnStream;
  readonly records: UploadRecords;
  /** Of descriptions, by name: no read goes back behind what this process has seen. */
  readonly newest: NewestRevisions;
  readonly binding: () => StoreBinding;
  readonly newHash: () => Sha256Stream;
}

/** A description and the message it came in. */
export interface FoundObject {
  readonly description: ObjectDescription;
  readonly message: StoredMessage;
}

/** The object of this name, never older than what this process has seen; `fresh` asks the leader. */
export async function findObject(parts: StoreParts, name: string, fresh = false): Promise<FoundObject | undefined> {
  const { link, bucket, stream, newest } = parts;
  const subject = descriptionSubject(bucket, name);
  const message = await persist(link, async () => {
    const near = fresh ? undefined : await stream.last(subject);
    const known = newest.get(name);
    if (!fresh && (known === undefined || (near !== undefined && near.sequence >= known))) {
      if (near !== undefined) newest.saw(name, near.sequence);
      return near;
    }
    const now = await stream.lastOfLeader(subject);
    newest.set(name, now?.sequence);
    return now;
  });
  const description = message === undefined ? undefined : readDescription(message, bucket);
  return message === undefined || description === undefined ? undefined : { description, message };
}
