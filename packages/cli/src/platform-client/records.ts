import type { AsyncResult } from "@trellis/result";
import type { Operator } from "./connect-operator.ts";

type Rpc = Operator["rpc"]["auth"];
type Answer<K extends keyof Rpc> = Rpc[K] extends (...args: never[]) => AsyncResult<infer T, infer _E> ? T : never;

/** The records the operator's commands show, as the contract types them. */
export type DeploymentRecord = Answer<"deploymentsGet">;
export type InstanceRecord = Answer<"instancesProvision">;
export type PlanRecord = Answer<"authorityGet">;
