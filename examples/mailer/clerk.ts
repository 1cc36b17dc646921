import { defineAgentContract } from "@trellis/contracts";
import mailer from "./contract.ts";

export default defineAgentContract({
  id: "mail-clerk@v1",
  displayName: "Mail clerk",
  description: "Hands letters to the mailer.",
  uses: { required: { mailer: mailer.use({ rpc: { call: ["Mail.Send"] } }) } },
});
