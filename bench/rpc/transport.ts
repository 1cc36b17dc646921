import { createNodeSessionKey } from "@trellis/auth/node";
import { connectLink, type Link } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { compileSchema } from "@trellis/contracts";
import { inboxPrefix } from "@trellis/protocol";
import type { Contender } from "../contender.ts";
import { question, questionSchema } from "./question.ts";

const SUBJECT = "bench.transport";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Our link and nothing on top of it: what the platform could at best reach. */
export const transport: Contender = {
  name: "transport",
  says: "the link of Trellis bare, JSON, compiled schemas, no security",
  async serve(address) {
    const { check } = compileSchema(questionSchema);
    const link = await open(address);
    link.subscribe(SUBJECT, {
      queue: "bench",
      onMessage: ({ data, reply }) => {
        const input: unknown = JSON.parse(decoder.decode(data));
        if (!check(input) || reply === undefined) throw new Error("wrong question");
        link.publish(reply, encoder.encode(JSON.stringify(input)));
      },
    });
    await link.flush();
  },
  async connect(address) {
    const { check } = compileSchema(questionSchema);
    const link = await open(address);
    return async () => {
      const answer = await link.request(SUBJECT, encoder.encode(JSON.stringify(question)), { timeoutMs: 5000 });
      if (!check(JSON.parse(decoder.decode(answer.data)))) throw new Error("wrong answer");
    };
  },
};

function open(address: string): Promise<Link> {
  return connectLink({
    connect: nodeConnect,
    inboxPrefix: inboxPrefix(createNodeSessionKey().publicKey),
    plan: () => ({ servers: [address] }),
  });
}
