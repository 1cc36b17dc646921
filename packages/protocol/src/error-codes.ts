/** Why a request or a connection was refused: the closed list every implementation knows. */
export const AUTH_REASONS = [
  "missing_session_key",
  "session_not_found",
  "session_expired",
  "invalid_signature",
  "replayed",
  "iat_out_of_range",
  "approval_required",
  "contract_changed",
  "user_inactive",
  "unknown_service",
  "service_disabled",
  "unknown_device",
  "device_activation_revoked",
  "device_deployment_disabled",
  "reply_subject_mismatch",
  "insufficient_permissions",
] as const;
export type AuthReason = (typeof AUTH_REASONS)[number];

/** What can go wrong between a question and its answer: the closed list every implementation knows. */
export const TRANSPORT_CODES = [
  "timeout",
  "no_responders",
  "overloaded",
  "disconnected",
  "retry_later",
  "cancelled",
  "closed",
  "permission_denied",
  "payload_too_large",
  "invalid_reply",
  "stream_lost",
] as const;
export type TransportCode = (typeof TRANSPORT_CODES)[number];

/** Why a file did not arrive: the closed list every implementation knows. */
export const TRANSFER_CODES = [
  "unknown_transfer",
  "expired",
  "taken",
  "cancelled",
  "interrupted",
  "mismatch",
  "changed",
  "source_failed",
  "too_large",
  "store_full",
  "unavailable",
] as const;
export type TransferCode = (typeof TRANSFER_CODES)[number];

interface Words {
  /** What happened and why. */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
}

/** The sentences of each reason, for people. */
export const AUTH_WORDS: { readonly [R in AuthReason]: Words } = {
  missing_session_key: {
    message: "The request carries no session key, so nobody can tell who asks.",
    hint: "Call through a connected Trellis client; it signs every request.",
  },
  session_not_found: {
    message: "The platform does not know this session: it ended or was never registered.",
    hint: "Log in again, or register this instance's key.",
  },
  session_expired: {
    message: "The session has expired.",
    hint: "Log in again.",
  },
  invalid_signature: {
    message: "The signature does not match the request: the key, the subject or the bytes differ from what was signed.",
    hint: "Check that the right key is used and that nothing between the two ends changes the message.",
  },
  replayed: {
    message: "A request with this id was already accepted; each is accepted once.",
    hint: "Send a new request with a new id instead of repeating an old one.",
  },
  iat_out_of_range: {
    message: "The request was signed too long ago or in the future, by the server's clock.",
    hint: "Sign again with a clock corrected by `serverNow` of the bootstrap answer.",
  },
  approval_required: {
    message: "The authority this contract asks for is not approved yet.",
    hint: "Ask an administrator to review and accept its plan.",
  },
  contract_changed: {
    message: "The contract of this participant has changed since it connected.",
    hint: "Reconnect with the current contract.",
  },
  user_inactive: {
    message: "The user is not active.",
    hint: "Ask an administrator to activate the user.",
  },
  unknown_service: {
    message: "No service instance is registered with this key.",
    hint: "Provision the instance first: `trellis svc provision`.",
  },
  service_disabled: {
    message: "The service or this instance of it is disabled.",
    hint: "Ask an administrator to enable it: `trellis svc enable`.",
  },
  unknown_device: {
    message: "No device is registered with this key.",
    hint: "Activate the device first.",
  },
  device_activation_revoked: {
    message: "The activation of this device was revoked.",
    hint: "Ask an administrator to activate the device again.",
  },
  device_deployment_disabled: {
    message: "The deployment this device belongs to is disabled.",
    hint: "Ask an administrator to enable it.",
  },
  reply_subject_mismatch: {
    message: "The reply subject is not in the caller's own inbox.",
    hint: "Let the Trellis client choose the reply subject.",
  },
  insufficient_permissions: {
    message: "The caller does not hold a capability that this requires.",
    hint: "Run `trellis why` with the session and the subject to see what is missing.",
  },
};

/** The sentences of each code, and whether the same question may succeed when asked again. */
export const TRANSPORT_WORDS: { readonly [C in TransportCode]: Words & { readonly retryable: boolean } } = {
  timeout: {
    message: "No answer came before the deadline; the request may or may not have been carried out.",
    // Whoever does not prove its key gets no answer at all, so only this side can say what else a silence may mean.
    hint: "Ask again if repeating it is safe, or give it a longer deadline. If nothing is ever answered, the key this program signs with may be damaged: `trellis doctor` looks.",
    retryable: true,
  },
  no_responders: {
    message: "Nobody serves this subject at the moment.",
    hint: "Check that the service is running and connected: `trellis status`. Then ask again.",
    retryable: true,
  },
  overloaded: {
    message: "The service has as many requests in hand as it takes and refused this one unread.",
    hint: "Ask again after a short, growing pause, or run more replicas.",
    retryable: true,
  },
  disconnected: {
    message: "The connection was lost before the answer came; the request may or may not have been carried out.",
    hint: "The client reconnects by itself. Ask again if repeating it is safe.",
    retryable: true,
  },
  retry_later: {
    message: "The service cannot answer this yet; it did not carry the request out.",
    hint: "Ask again after a short pause.",
    retryable: true,
  },
  cancelled: {
    message: "The caller cancelled the request before its answer came.",
    hint: "Nothing needs to be done.",
    retryable: false,
  },
  closed: {
    message: "The client was closed by its owner.",
    hint: "Connect a new client.",
    retryable: false,
  },
  permission_denied: {
    message: "The NATS server refused the subject: the permissions of this connection do not cover it.",
    hint: "Declare the use in the contract, have it accepted, and see `trellis why` for the subject.",
    retryable: false,
  },
  payload_too_large: {
    message: "The message is larger than the server takes.",
    hint: "Send less at once, or use a transfer for large content.",
    retryable: false,
  },
  invalid_reply: {
    message: "The answer could not be read: it is not what the protocol or the contract says.",
    hint: "Check that both sides run compatible versions of the contract.",
    retryable: false,
  },
  stream_lost: {
    message: "The stream ended without its end frame: the replica that held it is gone or unreachable.",
    hint: "Open the stream again, with the last cursor if the feed gives one.",
    retryable: true,
  },
};

/** The sentences of each code, and whether the same transfer may succeed when it is opened again. */
export const TRANSFER_WORDS: { readonly [C in TransferCode]: Words & { readonly retryable: boolean } } = {
  unknown_transfer: {
    message: "Nobody knows this transfer: it is over, or it was granted to somebody else.",
    hint: "Ask for a new one.",
    retryable: false,
  },
  expired: {
    message: "Nothing was moved for as long as the transfer may stand still. Nothing was stored.",
    hint: "Ask for a new one, and begin sooner.",
    retryable: false,
  },
  taken: {
    message: "The transfer was opened once more, and goes on there.",
    hint: "Open a transfer in one place.",
    retryable: false,
  },
  cancelled: {
    message: "The transfer was cancelled. Nothing was stored.",
    hint: "Nothing needs to be done.",
    retryable: false,
  },
  interrupted: {
    message: "The transfer was cut off and cannot go on from where it was.",
    hint: "Begin it again.",
    retryable: false,
  },
  mismatch: {
    message: "What arrived is not what was sent: size or SHA-256 differ. Nothing was stored.",
    hint: "Begin it again. If it happens again, something between the two ends changes bytes.",
    retryable: false,
  },
  changed: {
    message: "The file was replaced or removed while it was being sent.",
    hint: "Ask for it again.",
    retryable: false,
  },
  source_failed: {
    message: "What was being sent broke off.",
    hint: "Begin it again; the log of the sending side has the reason.",
    retryable: false,
  },
  too_large: {
    message: "The file is larger than what is taken here. Nothing was stored.",
    hint: "Send a smaller one, or raise `maxBytes` of the operation or `maxObjectBytes` of its store.",
    retryable: false,
  },
  store_full: {
    message: "The store has no room for the file. Nothing was stored.",
    hint: "Remove files, or raise `maxTotalBytes` of the store.",
    retryable: false,
  },
  unavailable: {
    message: "The store of the service cannot be reached at the moment.",
    hint: "The transfer goes on when it is back.",
    retryable: true,
  },
};

/** Whether a text is a reason of the closed list. */
export function isAuthReason(text: unknown): text is AuthReason {
  return typeof text === "string" && Object.hasOwn(AUTH_WORDS, text);
}

/** Whether a text is a code of the closed list. */
export function isTransportCode(text: unknown): text is TransportCode {
  return typeof text === "string" && Object.hasOwn(TRANSPORT_WORDS, text);
}

/** Whether a text is a code of the closed list. */
export function isTransferCode(text: unknown): text is TransferCode {
  return typeof text === "string" && Object.hasOwn(TRANSFER_WORDS, text);
}
