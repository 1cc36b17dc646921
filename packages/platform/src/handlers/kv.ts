import { ValidationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import { NotFound, Refused, type resources, SHOWN_VALUE_BYTES } from "@trellis/sdk";
import type { KvChange, KvError } from "@trellis/server/internal";
import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import type { ServiceData } from "../resources/service-data.ts";
import { actorOf, type HandlerCaller, type HandlersOf } from "./handler.ts";
import { page } from "./page.ts";

type Names = "Trellis.Kv.Keys" | "Trellis.Kv.Get" | "Trellis.Kv.History" | "Trellis.Kv.Put" | "Trellis.Kv.Delete";

interface BucketRef {
  readonly deployment: string;
  readonly bucket: string;
}

/** Buckets of services for operators. What is written is recorded first: rather a record too many than one too few. */
export function kvHandlers(context: ControlContext, data: ServiceData): HandlersOf<typeof resources, Names> {
  const record = (
    caller: HandlerCaller,
    action: string,
    { deployment, bucket }: BucketRef,
    key: string,
  ): Promise<unknown> =>
    context.registry.transact((tx) =>
      recordAudit(tx, context.tables.outbox, {
        now: context.now(),
        actor: actorOf(caller),
        action,
        target: deployment,
        detail: { bucket, key },
      }),
    );
  return {
    "Trellis.Kv.Keys": async ({ input }) => {
      const kv = await data.bucket(input.deployment, input.bucket);
      if (kv === undefined) return err(noBucket(input));
      const keys = await kv.keys(input.filter);
      if (!keys.ok) return err(refusal(keys.error));
      const { items, ...more } = page(keys.value, (key) => key, input);
      return ok({ keys: [...items], ...more });
    },
    "Trellis.Kv.Get": async ({ input }) => {
      const kv = await data.bucket(input.deployment, input.bucket);
      if (kv === undefined) return err(noBucket(input));
      const changes = await kv.history(input.key);
      if (!changes.ok) return err(refusal(changes.error));
      const last = changes.value.at(-1);
      if (last === undefined || last.type === "end") return err(new NotFound({ kind: "key", name: input.key }));
      const { key, revision, at } = last;
      return ok({ key, revision, at: at.toISOString(), ...shown(last) });
    },
    "Trellis.Kv.History": async ({ input }) => {
      const kv = await data.bucket(input.deployment, input.bucket);
      if (kv === undefined) return err(noBucket(input));
      const changes = await kv.history(input.key);
      if (!changes.ok) return err(refusal(changes.error));
      // All of a key in one answer: what is too large for that together is left out, the newest last of all.
      let room = SHOWN_VALUE_BYTES;
      const wire = changes.value.toReversed().map((change) => {
        const { bytes, ...view } = changeView(change, room);
        room -= bytes;
        return view;
      });
      return ok({ changes: wire.toReversed() });
    },
    "Trellis.Kv.Put": async ({ input, caller }) => {
      const kv = data.writableBucket(input.deployment, input.bucket);
      if (kv === undefined) return err(noBucket(input));
      const { key, value, revision } = input;
      await record(caller, "kv.put", input, key);
      const written = await (revision === undefined
        ? kv.put(key, value)
        : revision === 0
          ? kv.create(key, value)
          : kv.update(key, value, revision));
      return written.ok ? ok(written.value) : err(refusal(written.error));
    },
    "Trellis.Kv.Delete": async ({ input, caller }) => {
      const kv = data.writableBucket(input.deployment, input.bucket);
      if (kv === undefined) return err(noBucket(input));
      const { key, revision } = input;
      await record(caller, "kv.delete", input, key);
      const ended = await kv.delete(key, revision === undefined ? {} : { revision });
      return ended.ok ? ok({ key }) : err(refusal(ended.error));
    },
  };
}

/** The present values of a bucket, then every change, until the reader leaves. */
export function kvWatchHandler(
  data: ServiceData,
): (reading: {
  readonly input: BucketRef & { readonly filter?: string };
  readonly signal: AbortSignal;
}) => AsyncIterable<Omit<ChangeView, "bytes">> {
  return async function* ({ input, signal }) {
    const kv = await data.bucket(input.deployment, input.bucket);
    if (kv === undefined) throw new ValidationError([{ path: "/bucket", message: noBucket(input).message }]);
    for await (const change of kv.watch(input.filter, { signal })) {
      const { bytes: _, ...view } = changeView(change, SHOWN_VALUE_BYTES);
      yield view;
    }
  };
}

function noBucket({ deployment, bucket }: BucketRef): InstanceType<typeof NotFound> {
  return new NotFound({ kind: "bucket", name: `${bucket} of ${deployment}` });
}

function refusal(error: KvError): InstanceType<typeof NotFound> | InstanceType<typeof Refused> {
  if (error.code === "not_found") return new NotFound({ kind: "key", name: error.key ?? "" });
  const problems = error.issues.map(({ path, message }) => `${path || "/"}: ${message}`);
  return new Refused({
    code: error.code,
    why:
      problems.length === 0
        ? error.message
        : `The value for ${error.key ?? "the key"} does not fit its schema: ${problems.join("; ")}.`,
    next: NEXT[error.code] ?? "Correct it and try again.",
  });
}

const NEXT: { readonly [code: string]: string | undefined } = {
  conflict: "Look at it again: trellis kv get.",
  unavailable: "It may or may not have been done: look before you repeat it.",
};

interface ChangeView {
  readonly type: "put" | "end" | "ready";
  readonly key?: string;
  readonly value?: unknown;
  readonly problem?: string;
  readonly reason?: string;
  readonly revision?: number;
  readonly at?: string;
  /** Of the value that is shown. */
  readonly bytes: number;
}

function changeView(change: KvChange<unknown>, room: number): ChangeView {
  if (change.type === "ready") return { type: "ready", bytes: 0 };
  const { key, revision, at } = change;
  const facts = { key, revision, at: at.toISOString() };
  if (change.type === "end") return { type: "end", reason: change.reason, ...facts, bytes: 0 };
  const view = shown(change, room);
  return { type: "put", ...facts, ...view, bytes: view.value === undefined ? 0 : sizeOf(view.value) };
}

function shown(
  change: Extract<KvChange<unknown>, { readonly type: "put" | "invalid" }>,
  room = SHOWN_VALUE_BYTES,
): { readonly value?: unknown; readonly problem?: string } {
  if (change.type === "invalid") return { problem: change.error.message };
  const bytes = sizeOf(change.value);
  return bytes <= room
    ? { value: change.value }
    : {
        problem: `The value has ${bytes} bytes, more than fits into this answer (${Math.max(0, room)}). Read it where it belongs: in the service.`,
      };
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
