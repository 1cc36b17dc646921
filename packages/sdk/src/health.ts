import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const CheckStatus = Type.Object({
  name: Type.String(),
  status: Type.Union([Type.Literal("pass"), Type.Literal("warn"), Type.Literal("fail")]),
  message: Type.Optional(Type.String()),
});

const Heartbeat = Type.Object({
  service: Type.String(),
  instance: Type.String(),
  contractId: Type.String(),
  contractDigest: Type.String(),
  status: Type.Union([Type.Literal("pass"), Type.Literal("warn"), Type.Literal("fail")]),
  checks: Type.Array(CheckStatus),
  inFlight: Type.Integer({ minimum: 0 }),
  startedAt: Type.String(),
  at: Type.String(),
});

/** `trellis.health@v1`: what every service tells about itself while it lives. */
export const health = defineServiceContract({ schemas: { Heartbeat } }, (ref) => ({
  id: "trellis.health@v1",
  displayName: "Trellis health",
  description: "Heartbeats and health checks of running services.",
  events: {
    "Health.Heartbeat": {
      version: "v1",
      event: ref.schema("Heartbeat"),
      capabilities: { publish: ["service"], subscribe: ["admin"] },
      docs: { summary: "Sent by every service replica every ten seconds; kept for one minute." },
    },
  },
}));
