import { decodeJwt, encodeJwt, isRecord } from "./jwt.ts";
import type { Nkey } from "./nkey.ts";

/** Auth callout: what nats-server asks about a connection, and how it is answered. */

/** A connection that wants in. Everything under `connect` and `client.name` is the client's own claim, unproven. */
export interface AuthorizationRequest {
  readonly server: {
    readonly id: string;
    readonly name: string;
    readonly host: string;
    readonly version?: string;
    readonly cluster?: string;
    readonly xkey?: string;
  };
  /** The key made for this connection: subject of the user JWT and of the answer. */
  readonly userNkey: string;
  readonly client: {
    /** With `server.id` this names the connection, to kick it for instance. */
    readonly id: number;
    readonly host?: string;
    readonly name?: string;
    readonly kind?: string;
    /** `nats`, `websocket` or `mqtt`. */
    readonly type?: string;
    /** What the server gave the client to sign; it says so only when the client sent a `signature`, unchecked by it. */
    readonly nonce?: string;
  };
  readonly connect: {
    readonly authToken?: string;
    readonly jwt?: string;
    readonly nkey?: string;
    readonly signature?: string;
    readonly user?: string;
    readonly password?: string;
    readonly name?: string;
    readonly lang?: string;
    readonly version?: string;
  };
  /** After this the server has given up on the connection, and an answer is wasted work. */
  readonly expiresAt: Date;
}

export type AuthorizationDecoding =
  | { readonly ok: true; readonly request: AuthorizationRequest }
  | { readonly ok: false; readonly reason: "bad_signature" | "wrong_audience" | "malformed" };

/**
 * Reads a request (decrypted already) and checks the server's signature. Servers sign with a key made at start, so the
 * signature says that one server wrote it, and the encryption to our xkey that it is one of ours.
 */
export function decodeAuthorizationRequest(jwt: string): AuthorizationDecoding {
  const claims = decodeJwt(jwt);
  if (claims === undefined) return { ok: false, reason: "bad_signature" };
  if (claims.aud !== REQUEST_AUDIENCE) return { ok: false, reason: "wrong_audience" };
  const { nats } = claims;
  const request = isRecord(nats) ? readRequest(nats, claims.exp) : undefined;
  if (request === undefined || request.server.id !== claims.iss) return { ok: false, reason: "malformed" };
  return { ok: true, request };
}

export interface AuthorizationResponse {
  /** `userNkey` of the request. */
  readonly userNkey: string;
  /** `server.id` of the request. */
  readonly serverId: string;
  /** Let in as this user, or refused; the server logs the reason and never tells the client. */
  readonly answer: { readonly jwt: string } | { readonly error: string };
  /** The callout account, when `signer` is one of its signing keys. */
  readonly issuerAccount?: string;
}

/** The answer, signed by the callout account or by a signing key of it; seal it when the request was sealed. */
export function encodeAuthorizationResponse(response: AuthorizationResponse, signer: Nkey): string {
  const nats = { type: "authorization_response", ...response.answer, issuer_account: response.issuerAccount };
  return encodeJwt({ sub: response.userNkey, aud: response.serverId, nats }, signer);
}

const REQUEST_AUDIENCE = "nats-authorization-request";

type Members = { readonly [member: string]: unknown };

function readRequest(nats: Members, exp: number | undefined): AuthorizationRequest | undefined {
  const { server_id: server, user_nkey: userNkey, client_info: client, connect_opts: connect } = nats;
  if (!isRecord(server) || !isRecord(client) || !isRecord(connect) || exp === undefined) return undefined;
  if (typeof userNkey !== "string" || typeof client.id !== "number") return undefined;
  if (typeof server.id !== "string" || typeof server.name !== "string" || typeof server.host !== "string")
    return undefined;
  return {
    server: {
      id: server.id,
      name: server.name,
      host: server.host,
      ...texts(server, { version: "version", cluster: "cluster", xkey: "xkey" }),
    },
    userNkey,
    client: {
      id: client.id,
      ...texts(client, { host: "host", name: "name", kind: "kind", type: "type", nonce: "nonce" }),
    },
    connect: texts(connect, {
      authToken: "auth_token",
      jwt: "jwt",
      nkey: "nkey",
      signature: "sig",
      user: "user",
      password: "pass",
      name: "name",
      lang: "lang",
      version: "version",
    }),
    expiresAt: new Date(exp * 1000),
  };
}

/** The members that are texts and not empty, under our names. */
function texts<Name extends string>(
  from: Members,
  names: { readonly [name in Name]: string },
): { [name in Name]?: string } {
  const found: { [name in Name]?: string } = {};
  for (const name in names) {
    const value = from[names[name]];
    if (typeof value === "string" && value !== "") found[name] = value;
  }
  return found;
}
