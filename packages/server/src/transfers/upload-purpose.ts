import type { TransferError } from "@trellis/protocol";
import type { TransferTerms } from "../store/upload-records.ts";

/** What uploads are for, as far as those who receive them need to know. */
export interface UploadPurpose {
  /** A file was stored, or will not come; told again when nobody knows whether it was heard. */
  settled(terms: TransferTerms): Promise<unknown>;
  /** Tells when a file is waited for no more: with nothing once it is there, otherwise with why. Returns what stops it. */
  follow(terms: TransferTerms, onOver: (why: TransferError | undefined) => void): () => void;
  /** Why a file is not wanted any more; nothing while it is. */
  unwanted(terms: TransferTerms): Promise<TransferError | undefined>;
}

/** Before anybody waits for files. */
export const NO_PURPOSE: UploadPurpose = {
  settled: () => Promise.resolve(),
  follow: () => () => undefined,
  unwanted: () => Promise.resolve(undefined),
};
