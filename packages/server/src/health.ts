/** How a part of a service is: `warn` still serves, `fail` should get no new work. */
export type HealthStatus = "pass" | "warn" | "fail";

/** What a check found. Returning nothing means it passed; throwing means it failed. */
export interface HealthFinding {
  readonly status: HealthStatus;
  readonly message?: string;
}

export type HealthCheck = () => HealthFinding | boolean | void | Promise<HealthFinding | boolean | void>;

export interface HealthReport {
  /** The worst of the checks. */
  readonly status: HealthStatus;
  readonly checks: readonly ({ readonly name: string } & HealthFinding)[];
}

/** The checks a service names for itself; they feed its heartbeats and its readiness. */
export class Health {
  readonly #checks = new Map<string, HealthCheck>();
  readonly #checkMs: number;

  constructor(checkMs: number) {
    this.#checkMs = checkMs;
  }

  /** Adds a check, or replaces the one of that name. */
  check(name: string, check: HealthCheck): void {
    this.#checks.set(name, check);
  }

  /** Runs every check, each within its own bound. */
  async report(): Promise<HealthReport> {
    const checks = await Promise.all(
      [...this.#checks].map(async ([name, check]) => ({ name, ...(await this.#run(check)) })),
    );
    return { status: worst(checks.map((check) => check.status)), checks };
  }

  async #run(check: HealthCheck): Promise<HealthFinding> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<HealthFinding>((resolve) => {
      timer = setTimeout(() => resolve({ status: "fail", message: `no answer in ${this.#checkMs} ms` }), this.#checkMs);
    });
    try {
      return await Promise.race([findings(check), late]);
    } catch (thrown) {
      // The message goes to operators only, over a surface that needs `admin`.
      return { status: "fail", message: thrown instanceof Error ? thrown.message : String(thrown) };
    } finally {
      clearTimeout(timer);
    }
  }
}

async function findings(check: HealthCheck): Promise<HealthFinding> {
  const found = await check();
  if (found === undefined || found === true) return { status: "pass" };
  return found === false ? { status: "fail" } : found;
}

function worst(statuses: readonly HealthStatus[]): HealthStatus {
  if (statuses.includes("fail")) return "fail";
  return statuses.includes("warn") ? "warn" : "pass";
}
