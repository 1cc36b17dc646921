import { decodeBase64url, encodeBase64url } from "@trellis/contracts";
import { fromHex, hex, readInput } from "../input.ts";
import type { Topic } from "../topic.ts";

export const base64urlTopic: Topic = {
  topic: "base64url",
  about: [
    "input.bytes (hex): output.text is its base64url without padding.",
    "input.text: output.bytes is what it decodes to, or null where it must be refused: no value has two spellings.",
  ],
  given: [
    ...["", "00", "ff", "0001", "fbff", "000102", "fffefd", "00".repeat(32), "ff".repeat(64)].map((bytes) => ({
      name: `bytes ${bytes.length > 8 ? `${bytes.slice(0, 2)} × ${bytes.length / 2}` : bytes || "none"}`,
      input: { bytes },
    })),
    ...["", "AA", "-_8", "AAAA", "A", "AAAAA", "AA==", "AB", "AAB", "+/8", "A A", "AAé", "AA\n"].map((text) => ({
      name: `text ${JSON.stringify(text)}`,
      input: { text },
    })),
  ],
  run(input) {
    const given = readInput(input);
    const bytes = given.optionalText("bytes");
    if (bytes !== undefined) return { text: encodeBase64url(fromHex(bytes)) };
    const decoded = decodeBase64url(given.text("text"));
    return { bytes: decoded === undefined ? null : hex(decoded) };
  },
};
