import type { Link } from "@trellis/client/internal";
import type { AnyContract, Bindings, JobsOf } from "@trellis/contracts";
import type { TracedWork } from "@trellis/telemetry";
import type { AnyJobHandler, JobRegistrars } from "./job-handler.ts";
import { JobJournal } from "./job-journal.ts";
import type { JobLog } from "./job-log.ts";
import { JobMarks } from "./job-marks.ts";
import { createJobQueue } from "./job-queue.ts";
import type { JobQueue } from "./job-queue.ts";
import { JobWorker } from "./job-worker.ts";
import { queuesOf } from "./queue-facts.ts";

/** `service.jobs.<queue>`: the queues of the contract. */
export type ServiceJobs<C extends AnyContract> = {
  readonly [Q in keyof JobsOf<C>]: JobQueue<JobsOf<C>[Q]["payload"], JobsOf<C>[Q]["result"]>;
};

export interface ServiceJobsOptions<C extends AnyContract> {
  readonly contract: C;
  readonly link: Link;
  /** The name a person gave the deployment. */
  readonly service: string;
  /** Tells this replica from its siblings. */
  readonly instance: string;
  readonly bindings: () => Bindings;
  readonly nowMs: () => number;
  readonly log: JobLog;
  readonly client: unknown;
  readonly deps: unknown;
  readonly runInside?: <T>(context: TracedWork["context"], body: () => T) => T;
}

/** The jobs of one service replica. */
export interface ServiceJobsRuntime<C extends AnyContract, Client, Deps> {
  readonly jobs: ServiceJobs<C>;
  readonly handle: JobRegistrars<JobsOf<C>, Client, Deps>;
  /** Queues of the contract no handler was registered for. */
  readonly unhandled: readonly string[];
  /** Jobs at work here. */
  readonly running: number;
  /** Begins to take jobs, from every queue with a handler. */
  start(): void;
  drain(graceMs: number): Promise<{ readonly left: number }>;
  close(): void;
}

/** A service was put together wrongly. */
export class JobSetupError extends Error {
  override readonly name = "JobSetupError";
}

export function createServiceJobs<C extends AnyContract, Client, Deps>(
  options: ServiceJobsOptions<C>,
): ServiceJobsRuntime<C, Client, Deps> {
  const { contract, link, service, instance, bindings, nowMs, log, client, deps, runInside } = options;
  const queues = queuesOf(contract.manifest);
  const handlers = new Map<string, AnyJobHandler>();
  const workers: JobWorker[] = [];
  let started = false;

  const jobs: { [queue: string]: JobQueue } = {};
  const handle: { [queue: string]: (handler: AnyJobHandler) => void } = {};
  const journals = new Map<string, { readonly journal: JobJournal; readonly marks: JobMarks }>();
  for (const [queue, facts] of queues) {
    const journal = new JobJournal({ link, service, queue });
    const marks = new JobMarks(link, service, queue);
    journals.set(queue, { journal, marks });
    jobs[queue] = createJobQueue({ link, journal, marks, facts, service, nowMs });
    handle[queue] = (handler) => {
      if (started)
        throw new JobSetupError(
          `The handler of the queue ${queue} comes too late: register it before the service runs.`,
        );
      if (handlers.has(queue))
        throw new JobSetupError(`The queue ${queue} has a handler already. Remove one of the two.`);
      handlers.set(queue, handler);
    };
  }
  return {
    // The names come from the manifest the types were inferred from; TypeScript cannot follow that through a loop.
    jobs: jobs as ServiceJobs<C>,
    handle: handle as JobRegistrars<JobsOf<C>, Client, Deps>,
    get unhandled() {
      return [...queues.keys()].filter((queue) => !handlers.has(queue));
    },
    get running() {
      return workers.reduce((sum, worker) => sum + worker.running, 0);
    },
    start() {
      if (started) return;
      started = true;
      for (const [queue, handler] of handlers) {
        const facts = queues.get(queue);
        const { journal, marks } = journals.get(queue) ?? {};
        const binding = bindings().jobs[queue];
        if (facts === undefined || journal === undefined || marks === undefined) continue;
        if (binding === undefined)
          throw new JobSetupError(
            `The queue ${queue} of ${contract.id} is not bound: the platform has not made it for this deployment. Look at \`trellis svc show\` for what is wrong with its resources.`,
          );
        workers.push(
          new JobWorker(
            { link, journal, facts, handler, worker: instance, nowMs, log, client, deps, runInside },
            marks,
            binding,
          ),
        );
      }
    },
    async drain(graceMs) {
      const left = await Promise.all(workers.map((worker) => worker.drain(graceMs)));
      return { left: left.reduce((sum, each) => sum + each.left, 0) };
    },
    close() {
      for (const worker of workers) worker.close();
    },
  };
}
