import type { Json } from "@trellis/contracts";

/** An error body as it travels: what every error has, and whatever its type adds. */
export interface ErrorBody {
  readonly id: string;
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly [member: string]: Json | undefined;
}

/** Whether a parsed JSON value is an error body. */
export function isErrorBody(value: unknown): value is ErrorBody {
  if (!isJsonObject(value)) return false;
  const { id, type, message, code } = value;
  return (
    typeof id === "string" &&
    typeof type === "string" &&
    type !== "" &&
    typeof message === "string" &&
    (code === undefined || typeof code === "string")
  );
}

/** Whether a parsed JSON value is an object. */
export function isJsonObject(value: unknown): value is { readonly [member: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
