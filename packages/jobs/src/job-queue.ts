import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { TransportError, ValidationError } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import { checkOptions, createdRecord, jobIdFor, mayBePacked } from "./create-options.ts";
import type { CreateOptions, RejectOptions } from "./create-options.ts";
import { createBatch } from "./job-batch.ts";
import type { BatchIncomplete, CreateError, JobBatch } from "./job-batch.ts";
import { isJobId } from "./job-id.ts";
import type { JobJournal } from "./job-journal.ts";
import type { JobMarks } from "./job-marks.ts";
import { JobPacker } from "./job-packer.ts";
import { createJobRef } from "./job-ref.ts";
import type { JobRef } from "./job-ref.ts";
import type { JobRecordBody } from "./job-record.ts";
import type { QueueFacts } from "./queue-facts.ts";
import { createUnique, JobNotUnique } from "./unique-job.ts";

/** One queue of a service. */
export interface JobQueue<P = unknown, R = unknown> {
  /** Resolves when JetStream has the job: from then on it is done or its failure recorded, whatever dies. */
  create(payload: P, options?: CreateOptions): AsyncResult<JobRef<R>, ValidationError | TransportError>;
  create(payload: P, options: RejectOptions): AsyncResult<JobRef<R>, CreateError>;
  /**
   * Creates a job for each payload; resolves when JetStream has all of them. With one payload that does not match, none is
   * created.
   */
  createMany(
    payloads: readonly P[],
    optionsOf?: (payload: P, at: number) => CreateOptions | RejectOptions,
  ): AsyncResult<JobBatch<R>, ValidationError | BatchIncomplete>;
  /** A job that was created before. */
  ref(id: string): JobRef<R>;
}

export interface QueueParts {
  readonly link: Link;
  readonly journal: JobJournal;
  readonly marks: JobMarks;
  readonly facts: QueueFacts;
  readonly service: string;
  readonly nowMs: () => number;
}

/** What a record holds beside the payload, about. */
const RECORD_BYTES = 120;
/** Longer than a server takes to restart. */
const CREATE_MS = 30_000;

export function createJobQueue(parts: QueueParts): JobQueue {
  const { link, journal, marks, facts, service, nowMs } = parts;
  const { payload: schema, queue, contractId } = facts;
  const store = (record: JobRecordBody, { waitedMs = 0, signal }: { waitedMs?: number; signal?: AbortSignal } = {}) =>
    journal.append("created", record, {
      expect: { event: "created", sequence: 0 },
      withinMs: CREATE_MS - waitedMs,
      signal,
    });
  const packer = new JobPacker((record, waitedMs) => store(record, { waitedMs }), nowMs);
  const refTo = (id: string, created: boolean): JobRef =>
    createJobRef({ link, journal, id, queue, created, by: service });

  function create(payload: unknown, options?: CreateOptions): AsyncResult<JobRef, ValidationError | TransportError>;
  function create(payload: unknown, options?: CreateOptions | RejectOptions): AsyncResult<JobRef, CreateError>;
  function create(payload: unknown, options: CreateOptions | RejectOptions = {}): AsyncResult<JobRef, CreateError> {
    checkOptions(facts, options);
    return new AsyncResult(createChecked(payload, options));
  }

  async function createChecked(
    payload: unknown,
    options: CreateOptions | RejectOptions,
  ): Promise<Result<JobRef, CreateError>> {
    if (!schema.check(payload)) return err(new ValidationError(schema.errors(payload)));
    const headers = new MsgHdrsImpl();
    const span = startClientSpan({ name: queue, surface: "job", contractId }, headers);
    const traceparent = headers.get("traceparent");
    const tracestate = headers.get("tracestate");
    const createdAt = nowMs();
    // Its record may be written later, when whoever creates it has put something else into this object.
    const asOfNow = JSON.stringify(payload ?? null);
    // Checked against the schema just above, so it is JSON.
    const kept = JSON.parse(asOfNow) as Json;
    const recordOf = (id: string): JobRecordBody =>
      createdRecord(id, facts, kept, options, {
        nowMs: createdAt,
        context: (requestId) => ({
          requestId,
          ...(span.traceId === undefined ? {} : { traceId: span.traceId }),
          ...(traceparent === "" ? {} : { traceparent }),
          ...(tracestate === "" ? {} : { tracestate }),
        }),
      });
    const { key, unique, signal } = options;
    try {
      if (mayBePacked(facts, options)) {
        const id = await packer.add(recordOf, asOfNow.length + RECORD_BYTES);
        span.end();
        return ok(refTo(id, true));
      }
      const body = recordOf(jobIdFor(options, createdAt));
      if (unique !== undefined) {
        const outcome = await createUnique(
          { journal, marks, by: service, nowMs },
          body,
          unique,
          (record) => store(record, { ...(signal === undefined ? {} : { signal }) }),
          signal,
        );
        span.end();
        if (outcome.kind === "rejected") return err(new JobNotUnique(unique.key, outcome.id));
        return ok(outcome.kind === "attached" ? refTo(outcome.id, false) : refTo(body.id, true));
      }
      const stored = await store(body, { ...(signal === undefined ? {} : { signal }) });
      span.end();
      // Refused without a key: an earlier try of ours was stored, and only its answer was lost.
      return ok(refTo(body.id, stored.kind === "stored" || key === undefined));
    } catch (error) {
      span.end(error);
      if (error instanceof TransportError) return err(named(error, queue));
      throw error;
    }
  }

  async function createMany(
    payloads: readonly unknown[],
    optionsOf: (payload: unknown, at: number) => CreateOptions | RejectOptions,
  ): Promise<Result<JobBatch, ValidationError | BatchIncomplete>> {
    for (const [at, payload] of payloads.entries()) {
      if (schema.check(payload)) continue;
      return err(
        new ValidationError(schema.errors(payload).map((issue) => ({ ...issue, path: `/${at}${issue.path}` }))),
      );
    }
    const options = payloads.map((payload, at) => optionsOf(payload, at));
    for (const each of options) checkOptions(facts, each);
    return createBatch(payloads.length, (at) => create(payloads[at], options[at]));
  }

  return {
    create,
    createMany: (payloads, optionsOf = () => ({})) => new AsyncResult(createMany(payloads, optionsOf)),
    ref(id) {
      if (!isJobId(id))
        throw new RangeError(`"${id.slice(0, 80)}" cannot be the id of a job. An id is what create() answered.`);
      return refTo(id, false);
    },
  };
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
