import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { err, ok } from "@trellis/result";
import { fromBytes, fromStore } from "@trellis/server";
import type { StoredObject, TrellisService } from "@trellis/server";
import { type library, NoSuchFile } from "./library-contract.ts";

/** The byte of a made file at each place, so that a part of one tells where it is from. */
export function madeBytes(from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(to - from);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = ((from + at) * 31 + ((from + at) >> 8)) & 255;
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

const PIECE = 65_536;

/** What the handlers of one replica went through. */
export interface Lent {
  /** Bytes taken from made files, by label. */
  readonly made: Map<string, number>;
  /** Labels of made files whose reading ended before their end. */
  readonly left: string[];
  /** Names of the files that operations were run for. */
  readonly shelved: string[];
}

/** Registers handlers that lend what the store has, and what they make. */
export function lend(service: TrellisService<typeof library>): Lent {
  const lent: Lent = { made: new Map(), left: [], shelved: [] };
  service.handle.rpc.files.read(async ({ input }) => {
    const { name, range } = input;
    const source = await fromStore(service.store.files, name, range === undefined ? {} : { range });
    if (!source.ok) return err(new NoSuchFile({ name }));
    return ok({ output: { title: name, pid: process.pid }, source: source.value });
  });
  service.handle.rpc.files.make(({ input }) => {
    const { bytes, restarts = false, fails = Number.POSITIVE_INFINITY, pauseMs = 0, label = "" } = input;
    const make = async function* (from: number): AsyncGenerator<Uint8Array> {
      let ended = false;
      try {
        for (let at = from; at < bytes; at += PIECE) {
          if (at >= fails) throw new Error("a secret of the service");
          if (pauseMs > 0) await wait(pauseMs);
          const piece = madeBytes(at, Math.min(at + PIECE, bytes));
          lent.made.set(label, (lent.made.get(label) ?? 0) + piece.length);
          yield piece;
        }
        ended = true;
      } finally {
        if (!ended) lent.left.push(label);
      }
    };
    const source = restarts
      ? fromBytes(make, { size: bytes, digest: sha256(madeBytes(0, bytes)), contentType: "application/test" })
      : fromBytes(make(0), { metadata: { made: "once" } });
    return ok({ output: { title: label, pid: process.pid }, source });
  });
  const shelve = (upload: StoredObject) => {
    const { name, size, digest, contentType, metadata } = upload;
    lent.shelved.push(name);
    const kind = contentType === undefined ? {} : { kind: contentType };
    return ok({ name, size, digest, ...kind, words: metadata, pid: process.pid });
  };
  service.handle.operation.files.put(({ upload }) => shelve(upload));
  service.handle.operation.files.squeeze(({ upload }) => shelve(upload));
  return lent;
}
