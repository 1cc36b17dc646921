import type { Topic } from "./topic.ts";
import { base64urlTopic } from "./topics/base64url.ts";
import { canonicalJsonTopic } from "./topics/canonical-json.ts";
import { contractDigestsTopic } from "./topics/contract-digests.ts";
import { connectTokensTopic } from "./topics/connect-tokens.ts";
import { errorsTopic } from "./topics/errors.ts";
import { eventSubjectsTopic } from "./topics/event-subjects.ts";
import { inboxesTopic } from "./topics/inboxes.ts";
import { permissionsTopic } from "./topics/permissions.ts";
import { proofsTopic } from "./topics/proofs.ts";
import { replayWindowsTopic } from "./topics/replay-windows.ts";
import { requestHeadersTopic } from "./topics/request-headers.ts";
import { signaturesTopic } from "./topics/signatures.ts";
import { streamsTopic } from "./topics/streams.ts";
import { surfaceNamesTopic } from "./topics/surface-names.ts";
import { transfersTopic } from "./topics/transfers.ts";

/** Every rule that all implementations must agree on. */
export const TOPICS: readonly Topic[] = [
  base64urlTopic,
  canonicalJsonTopic,
  connectTokensTopic,
  contractDigestsTopic,
  errorsTopic,
  eventSubjectsTopic,
  inboxesTopic,
  permissionsTopic,
  proofsTopic,
  replayWindowsTopic,
  requestHeadersTopic,
  signaturesTopic,
  streamsTopic,
  surfaceNamesTopic,
  transfersTopic,
];
