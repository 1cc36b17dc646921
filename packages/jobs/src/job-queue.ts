import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { TransportError, ValidationError } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import { isJobId, jobIdOfKey, newJobId } from "./job-id.ts";
import type { JobJournal } from "./job-journal.ts";
import { createJobRef } from "./job-ref.ts";
import type { JobRef } from "./job-ref.ts";
import type { JobContext, JobRecordBody } from "./job-record.ts";
import type { QueueFacts } from "./queue-facts.ts";

export interface CreateOptions {
  /** One job a key: creating it again answers the job there is, whatever became of it. */
  readonly key?: string;
  /** Ends the job as expired when it has not finished this long after its creation. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** One queue of a service. */
export interface JobQueue<P = unknown, R = unknown> {
  /** Resolves when JetStream has the job: from then on it is done or its failure recorded, whatever dies. */
  create(payload: P, options?: CreateOptions): AsyncResult<JobRef<R>, ValidationError | TransportError>;
  /** A job that was created before. */
  ref(id: string): JobRef<R>;
}

export interface QueueParts {
  readonly link: Link;
  readonly journal: JobJournal;
  readonly facts: QueueFacts;
  readonly service: string;
  readonly nowMs: () => number;
}

/** Longer than a server takes to restart. */
const CREATE_MS = 30_000;

export function createJobQueue(parts: QueueParts): JobQueue {
  const { link, journal, facts, service, nowMs } = parts;
  const refTo = (id: string, created: boolean): JobRef =>
    createJobRef({ link, journal, id, queue: facts.queue, created, by: service });
  return {
    create: (payload, options = {}) => new AsyncResult(create(parts, payload, options, refTo)),
    ref(id) {
      if (!isJobId(id))
        throw new RangeError(`"${id.slice(0, 80)}" cannot be the id of a job. An id is what create() answered.`);
      return refTo(id, false);
    },
  };

  async function create(
    { facts: { payload: schema, queue, contractId, defaultDeadlineMs } }: QueueParts,
    payload: unknown,
    { key, deadlineMs = defaultDeadlineMs, signal }: CreateOptions,
    ref: typeof refTo,
  ): Promise<Result<JobRef, ValidationError | TransportError>> {
    if (!schema.check(payload)) return err(new ValidationError(schema.errors(payload)));
    const id = key === undefined ? newJobId(nowMs()) : jobIdOfKey(key);
    const headers = new MsgHdrsImpl();
    const span = startClientSpan({ name: queue, surface: "job", contractId }, headers);
    const traceparent = headers.get("traceparent");
    const tracestate = headers.get("tracestate");
    const context: JobContext = {
      requestId: id,
      ...(span.traceId === undefined ? {} : { traceId: span.traceId }),
      ...(traceparent === "" ? {} : { traceparent }),
      ...(tracestate === "" ? {} : { tracestate }),
    };
    const body: JobRecordBody = {
      id,
      context,
      // Checked against the schema just above, so it is JSON.
      payload: payload as Json,
      ...(key === undefined ? {} : { key }),
      ...(deadlineMs === undefined ? {} : { deadlineAt: Math.round(nowMs() + deadlineMs) }),
    };
    try {
      const stored = await journal.append("created", body, {
        expect: { event: "created", sequence: 0 },
        withinMs: CREATE_MS,
        ...(signal === undefined ? {} : { signal }),
      });
      span.end();
      // Refused without a key: an earlier try of ours was stored, and only its answer was lost.
      return ok(ref(id, stored.kind === "stored" || key === undefined));
    } catch (error) {
      span.end(error);
      if (error instanceof TransportError) return err(named(error, queue));
      throw error;
    }
  }
}

function named(error: TransportError, queue: string): TransportError {
  if (error.code === "permission_denied") {
    return new TransportError("permission_denied", {
      message: `NATS refused a job for the queue ${queue}: the permissions of this connection do not cover it.`,
      hint: "Only the service whose contract declares a queue creates its jobs; see `trellis why` for the subject.",
    });
  }
  if (error.code === "timeout" || error.code === "no_responders" || error.code === "disconnected") {
    return new TransportError(error.code, {
      message: `The job for the queue ${queue} was not confirmed: the job stream cannot be reached (${error.message})`,
      hint: "Create it again with the same key: a key makes one job, however often it is created.",
    });
  }
  return error;
}
