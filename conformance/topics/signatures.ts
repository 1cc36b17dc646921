import { encodeBase64url } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import {
  bindFlowDigest,
  bootstrapDigest,
  connectDigest,
  enrolDigest,
  nonceDigest,
  oauthInitDigest,
} from "@trellis/protocol";
import { readInput } from "../input.ts";
import type { Input } from "../input.ts";
import { OTHER_SEED, SEED, testKey } from "../test-key.ts";
import type { Topic } from "../topic.ts";

const contractDigest = "u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s";
const iat = 1_735_689_700;

const digests: { readonly [purpose: string]: (given: Input) => Uint8Array } = {
  "nats-connect": (given) => connectDigest(given.number("iat"), given.text("contractDigest")),
  "nats-nonce": (given) => nonceDigest(given.text("nonce")),
  bootstrap: (given) => bootstrapDigest(given.number("iat"), given.text("contractDigest")),
  "enrol-session": (given) => enrolDigest(given.text("sessionKey"), given.text("contractDigest"), given.number("iat")),
  "bind-flow": (given) => bindFlowDigest(given.text("flowId")),
  "oauth-init": (given) => {
    const provider = given.optionalText("provider");
    const context = given.optionalJson("context");
    return oauthInitDigest({
      redirectTo: given.text("redirectTo"),
      contract: given.json("contract"),
      ...(provider === undefined ? {} : { provider }),
      ...(context === undefined ? {} : { context }),
    });
  },
};

const login: { readonly [member: string]: Json } = {
  purpose: "oauth-init",
  seed: SEED,
  redirectTo: "https://app.example/callback?next=/orders",
  contract: { id: "orders-app@v1", format: "trellis.contract.v1" },
};

export const signaturesTopic: Topic = {
  topic: "signatures",
  about: [
    "What is signed outside a request: input.purpose is the prefix of the signed text, see protocol §5.",
    "digest is the base64url of SHA-256(text as UTF-8); sig is the base64url of the Ed25519 signature of those 32 bytes by input.seed.",
    "bootstrap: bootstrap:<iat>:<contractDigest>. enrol-session: enrol-session:<sessionKey>:<contractDigest>:<iat>.",
    "oauth-init: oauth-init:<redirectTo>:<provider or nothing>:<canonical contract>:<canonical context or null>.",
  ],
  given: [
    { name: "connect", input: { purpose: "nats-connect", seed: SEED, iat, contractDigest } },
    { name: "nonce of the server", input: { purpose: "nats-nonce", seed: SEED, nonce: "Xg4HyDxMZyMRZ1A" } },
    { name: "bootstrap", input: { purpose: "bootstrap", seed: SEED, iat, contractDigest } },
    {
      name: "a user key vouches for a session key",
      input: { purpose: "enrol-session", seed: OTHER_SEED, sessionKey: testKey(SEED).sessionKey, contractDigest, iat },
    },
    { name: "bind a flow", input: { purpose: "bind-flow", seed: SEED, flowId: "01JTZ3N9V5B4X4Z0M6J9E8Q2RC" } },
    { name: "login without provider and context", input: login },
    {
      name: "login with provider and context",
      input: { ...login, provider: "github", context: { z: 1, a: ["é", null] } },
    },
  ],
  run(input) {
    const given = readInput(input);
    const digest = digests[given.text("purpose")]?.(given);
    if (digest === undefined) throw new Error("an unknown purpose");
    return { digest: encodeBase64url(digest), sig: testKey(given.text("seed")).sign(digest) };
  },
};
