import { isName, NAME_RULES } from "@trellis/contracts";
import { InvalidArgumentError } from "commander";

/** Reads the name a service is to have. */
export function deploymentName(written: string): string {
  if (isName("deployment", written)) return written;
  throw new InvalidArgumentError(`A name is ${NAME_RULES.deployment.rule}.`);
}
