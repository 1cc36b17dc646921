import { ok } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import contract from "./contract.ts";
import { deliver } from "./letter-box.ts";

const service = await TrellisService.connect({ contract, name: "mailer" });

service.handle.rpc.mail.send(async ({ input }) => {
  const created = await service.jobs.letters.create(input);
  return created.ok ? ok({ job: created.value.id }) : created;
});

service.handle.job.letters(async ({ payload, job, signal }) => {
  if (!payload.to.includes("@")) job.fail(`"${payload.to}" is no address`); // never tried again
  job.log(`delivering to ${payload.to}`);
  await deliver(payload, signal); // throws when the letter box is jammed: tried again after a pause
  return ok({ to: payload.to, attempts: job.attempt });
});

service.handle.job.newsletters(async ({ payload, signal }) => deliver(payload, signal));

await service.run();
