import type { BootstrapRequest } from "@trellis/protocol";
import { isDigest, isSeconds, isSessionKey, isSignature } from "@trellis/protocol";

/** A request as it arrives: every member checked except the manifest, which only parsing can judge. */
export interface ReadRequest extends Omit<BootstrapRequest, "manifest"> {
  readonly manifest?: unknown;
}

/** Reads a request, or says which member is wrong. */
export function readBootstrapRequest(input: unknown): ReadRequest | { readonly wrong: string } {
  if (!isRecord(input)) return { wrong: "the request is not a JSON object" };
  const { v, sessionKey, contractDigest, iat, sig, manifest, enrol } = input;
  if (v !== 1) return { wrong: "v must be 1: this platform speaks version 1 of the bootstrap request" };
  if (!isSessionKey(sessionKey)) return { wrong: "sessionKey must be the base64url of a 32-byte Ed25519 public key" };
  if (!isDigest(contractDigest)) return { wrong: "contractDigest must be the base64url of a SHA-256 digest" };
  if (!isSeconds(iat)) return { wrong: "iat must be a whole number of seconds" };
  if (!isSignature(sig)) return { wrong: "sig must be the base64url of a 64-byte signature" };
  const request: ReadRequest = {
    v,
    sessionKey,
    contractDigest,
    iat,
    sig,
    ...(manifest === undefined ? {} : { manifest }),
  };
  if (enrol === undefined) return request;
  if (!isRecord(enrol) || !isSessionKey(enrol["key"]) || !isSignature(enrol["sig"]))
    return { wrong: "enrol must hold a key and its signature" };
  return { ...request, enrol: { key: enrol["key"], sig: enrol["sig"] } };
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
