import type { BootstrapAnswer } from "@trellis/protocol";

/**
 * Reads what the platform answered; `undefined` when it is no answer of a platform (a proxy's error page, another
 * server). The platform is who the address and its certificate say, so members are checked for presence, not meaning.
 */
export function readAnswer(text: string): BootstrapAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isAnswer(value) ? value : undefined;
}

function isAnswer(value: unknown): value is BootstrapAnswer {
  if (!isObject(value) || !isNumber(value["serverNow"])) return false;
  switch (value["status"]) {
    case "ready":
      return isReady(value);
    case "waiting":
      return isText(value["reason"]) && isText(value["message"]) && isNumber(value["retryAfterMs"]);
    case "refused":
      return isText(value["reason"]) && isText(value["message"]);
    default:
      return false;
  }
}

function isReady(value: { readonly [member: string]: unknown }): boolean {
  const nats = value["nats"];
  const principal = value["principal"];
  return (
    isObject(nats) &&
    isTexts(nats["servers"]) &&
    isTexts(nats["websocket"]) &&
    isText(value["contractDigest"]) &&
    isText(value["inboxPrefix"]) &&
    isObject(value["bindings"]) &&
    isTexts(value["grantedUses"]) &&
    (value["inactiveUses"] === undefined || isTexts(value["inactiveUses"])) &&
    isTexts(value["capabilities"]) &&
    isObject(principal) &&
    isText(principal["id"]) &&
    isNumber(value["revision"]) &&
    isNumber(value["permissionsTtlMs"])
  );
}

function isObject(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
