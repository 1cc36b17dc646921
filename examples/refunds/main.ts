import { err, ok } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import { pay } from "./bank.ts";
import contract, { AlreadyPaid } from "./contract.ts";

const service = await TrellisService.connect({ contract, name: "refunds" });

service.handle.operation.refunds.pay(async ({ input, op }) => {
  if (input.order === "o_0") return err(new AlreadyPaid({ order: input.order })); // it has failed: never tried again
  op.progress({ percent: 10 });
  let approvedBy: string | undefined;
  if (input.cents > 10_000) approvedBy = (await op.nextSignal("approve")).by; // may take days, and holds nothing
  // What it answers is remembered: whoever goes on with this operation does not pay again.
  const receipt = await op.step("pay", ({ key }) => pay(input.order, input.cents, key));
  op.progress({ percent: 80 });
  await op.sleep(1_500); // the bank books
  return ok({ receipt, ...(approvedBy === undefined ? {} : { approvedBy }) });
});

await service.run();
