import type { Json } from "@trellis/contracts";
import { isJsonObject } from "./error-body.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads a message that is one JSON object in UTF-8; `undefined` for anything else. */
export function parseJsonObject(bytes: Uint8Array): { readonly [member: string]: Json } | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
