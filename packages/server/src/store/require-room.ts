import { StoreError } from "./store-error.ts";

/** Refuses what is over a limit before it is sent. */
export function requireRoom(
  limits: { readonly maxObjectBytes?: number; readonly maxTotalBytes?: number; readonly bucket: string },
  name: string,
  bytes: number,
): void {
  const { maxObjectBytes, maxTotalBytes, bucket } = limits;
  if (maxObjectBytes !== undefined && bytes > maxObjectBytes)
    throw new StoreError(
      "object_too_large",
      `${name} is larger than the ${maxObjectBytes} bytes the contract allows for one object in ${bucket}. Nothing was stored; store less, or raise maxObjectBytes.`,
      { object: name },
    );
  if (maxTotalBytes !== undefined && bytes > maxTotalBytes)
    throw new StoreError(
      "store_full",
      `${name} is larger than the ${maxTotalBytes} bytes of the whole store ${bucket}. Nothing was stored; store less, or raise maxTotalBytes.`,
      { object: name },
    );
}
