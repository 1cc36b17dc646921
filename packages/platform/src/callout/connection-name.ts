/**
 * The name of a connection is what the control plane knows of it, written where NATS shows it (CONNZ, advisories, logs)
 * and only the callout can put it. A replica that has just started, or never saw the connect, learns from it whose
 * connection this is, under which contract and with which permissions.
 */
export interface ConnectionName {
  readonly type: "service" | "user" | "device";
  readonly principalId: string;
  readonly principalName: string;
  readonly sessionKey: string;
  readonly digest: string;
  /** Registry revision the permissions were made from. */
  readonly revision: number;
  /** What the permissions are, in short: equal exactly when they are equal. */
  readonly fingerprint: string;
}

const PARTS = 7;

export function encodeConnectionName(name: ConnectionName): string {
  const { type, principalName, principalId, sessionKey, digest, revision, fingerprint } = name;
  // People read the first two; the rest is for programs.
  return [
    type,
    encodeURIComponent(principalName),
    encodeURIComponent(principalId),
    sessionKey,
    digest,
    String(revision),
    fingerprint,
  ].join("|");
}

/** `undefined` for a connection that is no participant's: the control plane's own, an operator's tool. */
export function decodeConnectionName(text: string | undefined): ConnectionName | undefined {
  const parts = text?.split("|") ?? [];
  const [type, principalName, principalId, sessionKey, digest, revision, fingerprint] = parts;
  if (parts.length !== PARTS || (type !== "service" && type !== "user" && type !== "device")) return undefined;
  if (
    !principalName ||
    !principalId ||
    !sessionKey ||
    !digest ||
    !fingerprint ||
    !Number.isSafeInteger(Number(revision))
  )
    return undefined;
  try {
    return {
      type,
      principalName: decodeURIComponent(principalName),
      principalId: decodeURIComponent(principalId),
      sessionKey,
      digest,
      revision: Number(revision),
      fingerprint,
    };
  } catch {
    return undefined;
  }
}
