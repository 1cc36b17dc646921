import {
  Client,
  Server,
  ServerCredentials,
  credentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { Ajv2019 } from "ajv/dist/2019.js";
import type { Contender } from "../contender.ts";
import { Question, question } from "./question.ts";

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const decode = (bytes: Buffer): unknown => JSON.parse(bytes.toString());

const METHOD = "/bench.Bench/Ask";
const definition: ServiceDefinition = {
  Ask: {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  },
};

/** grpc-js with the same JSON and the same checks, no security. */
export const grpc: Contender = {
  name: "grpc",
  says: "grpc-js, JSON, Ajv, no security",
  async serve(address) {
    const check = new Ajv2019().compile(Question);
    const implementation: UntypedServiceImplementation = {
      Ask: (call: { request: unknown }, done: (error: Error | null, answer?: unknown) => void) =>
        check(call.request) ? done(null, call.request) : done(new Error("wrong question")),
    };
    const server = new Server();
    server.addService(definition, implementation);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
  },
  async connect(address) {
    const check = new Ajv2019().compile(Question);
    const client = new Client(address, credentials.createInsecure());
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 5000, (error) => (error ? reject(error) : resolve()));
    });
    return () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(METHOD, encode, decode, question, (error, answer) =>
          error ? reject(error) : check(answer) ? resolve() : reject(new Error("wrong answer")),
        );
      });
  },
};
