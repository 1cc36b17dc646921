import { connectTokenDigests, encodeConnectToken, parseConnectToken } from "@trellis/protocol";
import type { ConnectToken } from "@trellis/protocol";
import type { Json } from "@trellis/contracts";
import { readInput } from "../input.ts";
import { SEED, testKey } from "../test-key.ts";
import type { Topic } from "../topic.ts";

const made = {
  seed: SEED,
  contractDigest: "u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s",
  iat: 1_735_689_700,
  nonce: "Xg4HyDxMZyMRZ1A",
};

function makeToken(input: Json): ConnectToken {
  const given = readInput(input);
  const key = testKey(given.text("seed"));
  const token = { iat: given.number("iat"), contractDigest: given.text("contractDigest") };
  const digests = connectTokenDigests({ ...token, nonce: given.text("nonce") });
  return {
    v: 1,
    sessionKey: key.sessionKey,
    ...token,
    sig: key.sign(digests.sig),
    nonceSig: key.sign(digests.nonceSig),
  };
}

const good = makeToken(made);
const changed = (changes: { readonly [member: string]: Json | undefined }): string => {
  const members = Object.entries({ ...good, ...changes }).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(members));
};

const refused: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["not JSON", "token"],
  ["a list", "[]"],
  ["another version", changed({ v: 2 })],
  ["the version as text", changed({ v: "1" })],
  ["an unknown member", changed({ role: "admin" })],
  ["no nonce signature", changed({ nonceSig: undefined })],
  ["a key of 31 bytes", changed({ sessionKey: "A".repeat(42) })],
  ["a key whose unused bits are not zero", changed({ sessionKey: `${"A".repeat(42)}B` })],
  ["a padded signature", changed({ sig: `${good.sig}==` })],
  ["a fractional time", changed({ iat: 1.5 })],
  ["a negative time", changed({ iat: -1 })],
  ["members in another order", JSON.stringify(good)],
  ["white space", `${encodeConnectToken(good)}\n`],
  ["a member twice", encodeConnectToken(good).replace('"v":1', '"v":1,"v":1')],
  ["too long", `${encodeConnectToken(good).slice(0, -1)}${" ".repeat(1_024)}}`],
];

export const connectTokensTopic: Topic = {
  topic: "connect-tokens",
  about: [
    "input.seed, contractDigest, iat and nonce (the text of the server's nonce): output.token is the auth_token, canonical JSON.",
    "input.token: output.parsed is its members, or output.refused the reason. Only the exact canonical text of a token is one.",
  ],
  given: [
    { name: "made", input: made },
    { name: "made for another nonce", input: { ...made, nonce: "another" } },
    { name: "read", input: { token: encodeConnectToken(good) } },
    ...refused.map(([name, token]) => ({ name: `refused: ${name}`, input: { token } })),
  ],
  run(input) {
    const text = readInput(input).optionalText("token");
    if (text === undefined) return { token: encodeConnectToken(makeToken(input)) };
    const parsed = parseConnectToken(text);
    return parsed.ok ? { parsed: { ...parsed.value } } : { refused: parsed.error.reason };
  },
};
