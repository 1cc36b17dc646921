import { Counter, Gauge, Registry as MetricRegistry, collectDefaultMetrics } from "prom-client";

/** What a replica of the control plane tells Prometheus. One instance a replica, so tests can run several in a process. */
export class PlatformMetrics {
  readonly #registry = new MetricRegistry();

  readonly bootstraps = new Counter({
    name: "trellis_bootstraps_total",
    help: "Bootstrap requests by answer.",
    labelNames: ["kind", "answer"],
    registers: [this.#registry],
  });
  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** A number read when somebody asks, such as the size of a table. */
  gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.#registry], collect: (): void => gauge.set(read()) });
  }

  /** The same for a number that only grows. */
  counter(name: string, help: string, read: () => number): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.#registry],
      collect: (): void => {
        counter.reset();
        counter.inc(read());
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
