export { LIMITS } from "./limits.ts";

// What is signed, and how it reads.
export { portableSha256, portableSha256Stream } from "./sha256.ts";
export type { Sha256, Sha256Stream } from "./sha256.ts";
export { isDigest, isSeconds, isSessionKey, isSignature } from "./signed-text.ts";
export {
  bindFlowDigest,
  bootstrapDigest,
  connectDigest,
  enrolDigest,
  nonceDigest,
  oauthInitDigest,
} from "./signed-digests.ts";
export type { OauthInit } from "./signed-digests.ts";
export { proofDigest, proofInputBytes } from "./proof.ts";
export type { ProofInput } from "./proof.ts";
export {
  connectTokenDigests,
  encodeConnectToken,
  isFresh,
  parseConnectToken,
  verifyConnectToken,
} from "./connect-token.ts";
export type { ConnectToken, ConnectTokenCheck, TokenRefusal, VerifySignature } from "./connect-token.ts";

// Requests.
export { HEADERS, isErrorReply, singleHeader, STATUS_ERROR } from "./headers.ts";
export type { HeaderReader, HeaderWriter } from "./headers.ts";
export { parseRequestId, REQUEST_NONCE_CHARACTERS, requestIds } from "./request-id.ts";
export type { RequestId } from "./request-id.ts";
export { boundDeadline, parseRequestHeaders, writeRequestHeaders } from "./request-headers.ts";
export type { ParsedRequestHeaders, RequestHeaders } from "./request-headers.ts";
export { REPLAY_LIMITS, replayError, ReplayWindow } from "./replay-window.ts";
export type { ReplayCandidate, ReplayLimits, ReplayVerdict, ReplayWindowOptions } from "./replay-window.ts";

// Inboxes.
export {
  INBOX_CALL_CHARACTERS,
  INBOX_OWNER_CHARACTERS,
  inboxPrefix,
  isReplyTo,
  newInboxOwner,
  newReplySubject,
  newStreamSubject,
  replyBase,
  sessionNoticeSubject,
} from "./inbox.ts";
export type { InboxClass } from "./inbox.ts";
export { randomToken } from "./random-token.ts";

// Errors.
export {
  AUTH_REASONS,
  AUTH_WORDS,
  isAuthReason,
  isTransferCode,
  isTransportCode,
  TRANSFER_CODES,
  TRANSFER_WORDS,
  TRANSPORT_CODES,
  TRANSPORT_WORDS,
} from "./error-codes.ts";
export type { AuthReason, TransferCode, TransportCode } from "./error-codes.ts";
export { AuthError, RemoteError, TransferError, TransportError, UnexpectedError, ValidationError } from "./errors.ts";
export type { TransportErrorOptions, ValidationIssue } from "./errors.ts";
export { isJsonObject } from "./error-body.ts";
export type { ErrorBody } from "./error-body.ts";
export {
  decodeError,
  decodeErrorBody,
  encodeError,
  encodeHandlerError,
  errorBody,
  handlerErrorBody,
  isForCaller,
} from "./error-codec.ts";
export type { ErrorRebuilder, KnownErrors } from "./error-codec.ts";

// Events.
export { newEventId } from "./event-id.ts";
export { escapeEventToken, unescapeEventToken } from "./event-token.ts";
export { compileEventTemplate, eventSubject, eventTokens } from "./event-subject.ts";
export type { EventTemplate } from "./event-subject.ts";

// Streams.
export {
  boundGrant,
  encodeStreamControl,
  encodeStreamFrame,
  isControlOf,
  parseStreamControl,
  parseStreamFrame,
} from "./stream-frames.ts";
export type { StreamControl, StreamFrame } from "./stream-frames.ts";

// Transfers.
export { isTransferControl, newTransferId, parseTransferGrant } from "./transfer-grant.ts";
export type { TransferGrant, TransferInfo } from "./transfer-grant.ts";
export {
  encodeTransferFrame,
  encodeTransferOpening,
  parseDownloadFrame,
  parseTransferOpening,
  parseUploadControl,
  parseUploadFrame,
} from "./transfer-frames.ts";
export type {
  Chunk,
  DownloadFrame,
  TransferEnd,
  TransferOpening,
  UploadControl,
  UploadFrame,
} from "./transfer-frames.ts";

// Notices of the control plane.
export {
  AUTH_CHANGES,
  encodeAuthChange,
  encodeSessionNotice,
  parseAuthChange,
  parseSessionNotice,
  TRELLIS_SUBJECTS,
} from "./notices.ts";
export type { AuthChange, SessionNotice } from "./notices.ts";

// Bootstrap.
export { BOOTSTRAP_PATHS } from "./bootstrap.ts";
export type {
  BootstrapAnswer,
  BootstrapReady,
  BootstrapRefused,
  BootstrapRequest,
  BootstrapWaiting,
  PlatformInfo,
  Problem,
  RefusedReason,
  WaitingReason,
} from "./bootstrap.ts";

// Operations.
export { deploymentOfOperation, isOperationFrame, isOperationId, isOperationSnapshot, isOver } from "./operations.ts";
export { OPERATION_EVENTS, OPERATION_STATES } from "./operations.ts";
export type {
  OperationAccepted,
  OperationControl,
  OperationEvent,
  OperationEventType,
  OperationFrame,
  OperationPause,
  OperationSignalAccepted,
  OperationSnapshot,
  OperationStart,
  OperationState,
} from "./operations.ts";
export { OPERATION_REASONS, OperationError } from "./operation-error.ts";
export type { OperationReason } from "./operation-error.ts";
