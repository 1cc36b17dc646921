import { connect } from "@nats-io/transport-node";
import { Ajv2019 } from "ajv/dist/2019.js";
import type { Contender } from "../contender.ts";
import { Question, question } from "./question.ts";

/** The denominator: what people use today. nats.js `request()`, JSON and Ajv at both ends, no security of any kind. */
export const plainNats: Contender = {
  name: "plain",
  says: "nats.js request(), JSON, Ajv, no security",
  async serve(address) {
    const check = new Ajv2019().compile(Question);
    const nats = await connect({ servers: address });
    nats.subscribe("bench.plain", {
      queue: "bench",
      callback: (error, message) => {
        if (error) throw error;
        const input = message.json();
        if (!check(input)) throw new Error("wrong question");
        message.respond(JSON.stringify(input));
      },
    });
    await nats.flush();
  },
  async connect(address) {
    const check = new Ajv2019().compile(Question);
    const nats = await connect({ servers: address });
    return async () => {
      const answer = await nats.request("bench.plain", JSON.stringify(question), { timeout: 5000 });
      if (!check(answer.json())) throw new Error("wrong answer");
    };
  },
};
