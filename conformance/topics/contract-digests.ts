import { canonicalJson, contractDigest, digestProjection, parseManifest } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import { readInput } from "../input.ts";
import { ORDERS, SHOP, WORKED_EXAMPLE } from "../manifests.ts";
import type { Topic } from "../topic.ts";

type Members = { readonly [member: string]: Json };
const isMembers = (value: Json | undefined): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const inside = (name: string): Members => {
  const value = WORKED_EXAMPLE[name];
  if (!isMembers(value)) throw new Error(`${name} is not an object`);
  return value;
};
const { exports: _exports, unknown: _unknown, ...bare } = WORKED_EXAMPLE;

export const contractDigestsTopic: Topic = {
  topic: "contract-digests",
  about: [
    "input.manifest is a manifest as somebody sent it. Parse and normalize it, project it (protocol §2), write it as canonical JSON.",
    "output.projection is that text, output.digest the base64url of its SHA-256. output.refused is true where it is no manifest.",
  ],
  given: [
    { name: "the worked example of the protocol", input: { manifest: WORKED_EXAMPLE } },
    {
      name: "words for people, exports and unknown members change nothing",
      input: { manifest: { ...bare, displayName: "Other", description: "Other.", docs: { markdown: "x" } } },
    },
    {
      name: "an unused schema changes nothing",
      input: { manifest: { ...bare, schemas: { ...inside("schemas"), Another: true } } },
    },
    {
      name: "limits, priorities and schedules of a queue do",
      input: {
        manifest: {
          ...ORDERS,
          jobs: {
            mail: {
              payload: { schema: "OrderRef" },
              priorities: true,
              rate: { limit: 10, perMs: 1_000 },
              perGroup: { concurrency: 2, rate: { limit: 1, perMs: 60_000 } },
              schedules: {
                nightly: {
                  cron: "30 2 * * mon-fri",
                  timeZone: "Europe/Berlin",
                  payload: { id: "nightly" },
                  overlap: "skip",
                  catchUp: "none",
                },
              },
            },
          },
        },
      },
    },
    {
      name: "the meaning of a capability does",
      input: {
        manifest: {
          ...bare,
          capabilities: { "conformance.capabilities::read": { displayName: "Read", description: "Read all records." } },
        },
      },
    },
    { name: "the kind does", input: { manifest: { ...bare, kind: "device" } } },
    { name: "cli is a word for authors, who emit agent", input: { manifest: { ...SHOP, kind: "cli" } } },
    { name: "every surface", input: { manifest: ORDERS } },
    { name: "sets are sorted and without repetition", input: { manifest: SHOP } },
    { name: "another format", input: { manifest: { ...bare, format: "trellis.contract.v2" } } },
    { name: "no id", input: { manifest: { ...bare, id: "" } } },
    {
      name: "a subject that is not its own",
      input: { manifest: { ...bare, rpc: { "Conformance.Other": inside("rpc")["Conformance.Read"] ?? null } } },
    },
    { name: "a list", input: { manifest: [] } },
  ],
  run(input) {
    const parsed = parseManifest(readInput(input).json("manifest"));
    if (!parsed.ok) return { refused: true };
    const { manifest } = parsed.value;
    return { digest: contractDigest(manifest), projection: canonicalJson(digestProjection(manifest)) };
  },
};
