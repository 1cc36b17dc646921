import { encodeBase64url } from "@trellis/contracts";
import { portableSha256, proofDigest, proofInputBytes } from "@trellis/protocol";
import { hex, readInput, utf8 } from "../input.ts";
import { OTHER_SEED, SEED, testKey } from "../test-key.ts";
import type { Topic } from "../topic.ts";

const check = {
  seed: SEED,
  subject: "rpc.v1.Trellis.Catalog",
  payload: '{"hello":"world","count":3}',
  iat: 1_735_689_700,
  requestId: "req-proof-alpha",
};

export const proofsTopic: Topic = {
  topic: "proofs",
  about: [
    "input.seed is the hex of an Ed25519 seed; input.payload is sent as its UTF-8 bytes.",
    "proofInput is five parts, each preceded by its length as unsigned 32-bit big-endian: session key text, subject, the 32 bytes of SHA-256(payload), iat in decimal, request id.",
    "digest is the base64url of SHA-256(proofInput); proof is the base64url of the signature of those 32 bytes.",
  ],
  given: [
    { name: "the check of the protocol", input: check },
    { name: "an empty payload", input: { ...check, payload: "" } },
    { name: "another key", input: { ...check, seed: OTHER_SEED } },
    { name: "a real request id", input: { ...check, requestId: "abcdefghijklmnopqrstu-.42" } },
    {
      name: "bytes are signed as transmitted, not as values",
      input: { ...check, payload: '{ "hello": "world", "count": 3 }' },
    },
    { name: "text beyond ASCII", input: { ...check, payload: '{"name":"Zoë 🙂"}' } },
    { name: "time zero", input: { ...check, iat: 0 } },
    {
      name: "a digit moved from time to subject",
      input: { ...check, subject: "rpc.v1.Trellis.Catalog1", iat: 735_689_700 },
    },
  ],
  run(input) {
    const given = readInput(input);
    const key = testKey(given.text("seed"));
    const payload = utf8(given.text("payload"));
    const proven = {
      sessionKey: key.sessionKey,
      subject: given.text("subject"),
      payload,
      iat: given.number("iat"),
      requestId: given.text("requestId"),
    };
    const digest = proofDigest(proven);
    return {
      sessionKey: key.sessionKey,
      payloadHash: encodeBase64url(portableSha256(payload)),
      proofInput: hex(proofInputBytes(proven)),
      digest: encodeBase64url(digest),
      proof: key.sign(digest),
    };
  },
};
