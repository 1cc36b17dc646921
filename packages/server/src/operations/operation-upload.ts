import type { Json } from "@trellis/contracts";
import { isJsonObject, isOver, TransferError } from "@trellis/protocol";
import type { OperationSnapshot, TransferGrant } from "@trellis/protocol";
import type { StoredObject } from "../store/store-types.ts";
import type { TransferTerms } from "../store/upload-records.ts";
import type { UploadPurpose } from "../transfers/upload-purpose.ts";
import type { OperationChanges } from "./operation-changes.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { StoredRecord } from "./operation-record.ts";
import { standingOf } from "./operation-standing.ts";

/** An operation waits for its file and is woken when that is settled; once it is over nobody wants the file. */
export function filesOfOperations(journal: OperationJournal, changes: OperationChanges): UploadPurpose {
  const nameOf = ({ operation, ref }: TransferTerms): OperationName => ({ operation, id: ref });
  return {
    settled: (terms) => journal.wake(nameOf(terms)),
    follow: (terms, onOver) =>
      changes.follow(nameOf(terms), ({ record: { kind, snapshot } }) => {
        if (isOver(snapshot.state)) onOver(notWanted(snapshot));
        else if (kind === "transferred") onOver(undefined);
      }),
    async unwanted(terms) {
      const standing = await standingOf(journal, nameOf(terms));
      return standing === undefined || isOver(standing.snapshot.state) ? notWanted(standing?.snapshot) : undefined;
    },
  };
}

function notWanted(snapshot: OperationSnapshot | undefined): TransferError {
  const became = snapshot === undefined ? "is over" : snapshot.state === "cancelled" ? "was cancelled" : "has failed";
  return new TransferError("cancelled", {
    message: `The operation that the file was for ${became}, so nobody wants it any more. Nothing was stored.`,
  });
}

/** What the journal keeps of the file an operation was started with. */
export function uploadRecord({ name, size, digest, contentType, metadata, at }: StoredObject): Json {
  return {
    name,
    size,
    digest,
    metadata,
    at: at.toISOString(),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

/** The file as it was when it came, whatever has become of it since. */
export function recordedUpload(records: readonly StoredRecord[]): StoredObject | undefined {
  const value = records.findLast(({ record }) => record.kind === "transferred")?.record.value;
  if (!isJsonObject(value)) return undefined;
  const { name, size, digest, contentType, metadata, at } = value;
  if (typeof name !== "string" || typeof size !== "number" || typeof digest !== "string") return undefined;
  return {
    name,
    size,
    digest,
    contentType: typeof contentType === "string" ? contentType : undefined,
    metadata: isJsonObject(metadata) ? wordsOf(metadata) : {},
    at: new Date(typeof at === "string" ? at : 0),
  };
}

/** What an operation fails with whose file did not come. */
export function noFile({ expiresAt }: TransferGrant, nowMs: number): TransferError {
  if (nowMs >= Date.parse(expiresAt))
    return new TransferError("expired", {
      message: "The file of the operation did not come in time. Nothing was stored.",
    });
  return new TransferError("cancelled", {
    message: "The upload of the operation's file was given up: it was cancelled, or refused. Nothing was stored.",
  });
}

function wordsOf(value: { readonly [name: string]: Json }): { readonly [name: string]: string } {
  return Object.fromEntries(Object.entries(value).map(([name, word]) => [name, String(word)]));
}
