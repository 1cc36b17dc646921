export { ServiceSetupError } from "./registrars.ts";
export { SERVICE_LIMITS } from "./limits.ts";
export type { ServiceLimits } from "./limits.ts";
export type { Caller } from "./authority.ts";
export { SILENT_LOG } from "./log.ts";
export type { Log, LogFields } from "./log.ts";
export type { HealthCheck, HealthFinding, HealthReport, HealthStatus } from "./health.ts";
export type {
  BuiltInError,
  Handle,
  HandlerContext,
  HandlerResult,
  RpcHandler,
  RpcHandlers,
  RpcRegistrars,
} from "./handlers.ts";
export type { Readiness, TrellisService } from "./service.ts";
