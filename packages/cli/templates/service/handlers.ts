import { err, ok } from "@trellis/result";
import type { TrellisService } from "@trellis/server/node";
import type contract from "./contract.ts";
import { ItemNotFound } from "./contract.ts";

const items = new Map([["o_1", { id: "o_1", status: "placed" }]]);

/** Answers everything the contract offers. */
export function registerHandlers(service: TrellisService<typeof contract>): void {
  service.handle.rpc.sampleService.get(({ input }) => {
    const item = items.get(input.id);
    return item ? ok(item) : err(new ItemNotFound({ id: input.id }));
  });
}
