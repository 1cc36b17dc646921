import { Counter, Gauge, Histogram, Registry as MetricRegistry, collectDefaultMetrics } from "prom-client";

/** What a replica of the control plane tells Prometheus. One instance a replica, so tests can run several in a process. */
export class PlatformMetrics {
  readonly #registry = new MetricRegistry();

  readonly callouts = new Counter({
    name: "trellis_callouts_total",
    help: "Connections decided by this replica.",
    labelNames: ["outcome"],
    registers: [this.#registry],
  });
  readonly calloutSeconds = new Histogram({
    name: "trellis_callout_seconds",
    help: "Time from the callout's arrival to its answer.",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1],
    registers: [this.#registry],
  });
  readonly bootstraps = new Counter({
    name: "trellis_bootstraps_total",
    help: "Bootstrap requests by answer.",
    labelNames: ["kind", "answer"],
    registers: [this.#registry],
  });
  readonly validations = new Counter({
    name: "trellis_validations_total",
    help: "Requests validated centrally; steady traffic causes none.",
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** A number read when somebody asks, such as the size of a table. */
  gauge(name: string, help: string, read: () => number): void {
    this.#registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
