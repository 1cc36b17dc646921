import { ServiceSetupError } from "./registrars.ts";

/** Makes every check and says all that is missing at once: whoever adds one handler is not sent back for the next. */
export function requireEverything(...checks: readonly (() => void)[]): void {
  const missing: string[] = [];
  for (const check of checks) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof ServiceSetupError) || error.code !== "handler_missing") throw error;
      missing.push(error.message);
    }
  }
  if (missing.length > 0) throw new ServiceSetupError("handler_missing", missing.join("\n"));
}
