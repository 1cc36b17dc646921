/** Who sent a request, as the control plane knows them. */
export interface Caller {
  readonly type: "service" | "user" | "device";
  /** The principal: stays the same over logins and replicas. */
  readonly id: string;
  readonly name: string;
  readonly sessionKey: string;
  readonly contractId: string;
  /** Services only: the name of the deployment. */
  readonly deployment?: string;
}

/** What identifies one signed request; the proof itself never needs the payload again. */
export interface ValidateRequest {
  readonly sessionKey: string;
  readonly subject: string;
  readonly payloadHash: string;
  readonly proof: string;
  readonly iat: number;
  readonly requestId: string;
  readonly capabilities?: readonly string[];
  /** Claims the request id across all replicas: a second claim is refused as `replayed`. */
  readonly once?: boolean;
}

export interface ValidateAnswer {
  readonly allowed: boolean;
  readonly reason?: string;
  readonly inboxPrefix?: string;
  readonly caller?: Caller;
  readonly capabilities?: readonly string[];
  /** Registry revision the answer was made from. */
  readonly revision: number;
  /** How long the facts may be reused, in milliseconds. 0: ask on every request, the answer costs nothing. */
  readonly leaseMs: number;
}

/**
 * Who decides about sessions. Services ask the control plane over RPC; the control plane asks itself. It throws
 * when it cannot answer, which is not the same as a refusal.
 */
export interface RequestAuthority {
  validate(request: ValidateRequest): Promise<ValidateAnswer>;
}
