/** A whole real platform inside a test: a real nats-server, a real control plane, in about a second. */

export {
  startPlatform,
  type TestClientOptions,
  type TestPlatform,
  type TestPlatformOptions,
} from "./start-platform.ts";
export { Program, type ProgramEnd, type ProgramOptions } from "./program.ts";
export { connectTestService, type TestServiceOptions } from "./test-service.ts";
