import { err, ok } from "@trellis/result";
import { NotFound, PIECE_BYTES, Refused, type resources } from "@trellis/sdk";
import type { StoredObject, StoreError } from "@trellis/server/internal";
import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import type { ServiceData } from "../resources/service-data.ts";
import { actorOf, type HandlerCaller, type HandlersOf } from "./handler.ts";
import { DEFAULT_LIMIT, fittingPage } from "./page.ts";

type Names =
  | "Trellis.Store.List"
  | "Trellis.Store.Info"
  | "Trellis.Store.Read"
  | "Trellis.Store.Upload.Begin"
  | "Trellis.Store.Upload.Piece"
  | "Trellis.Store.Upload.Finish"
  | "Trellis.Store.Upload.Cancel"
  | "Trellis.Store.Delete";

interface StoreRef {
  readonly deployment: string;
  readonly store: string;
}

/** Object stores of services for operators, in pieces that fit into messages. What is written is recorded first. */
export function storeHandlers(context: ControlContext, data: ServiceData): HandlersOf<typeof resources, Names> {
  const record = (
    caller: HandlerCaller,
    action: string,
    { deployment, store }: StoreRef,
    object: string,
  ): Promise<unknown> =>
    context.registry.transact((tx) =>
      recordAudit(tx, context.tables.outbox, {
        now: context.now(),
        actor: actorOf(caller),
        action,
        target: deployment,
        detail: { store, object },
      }),
    );
  const info = async (input: StoreRef & { readonly name: string }) => {
    const store = await data.store(input.deployment, input.store);
    if (store === undefined) return err(noStore(input));
    const found = await store.info(input.name);
    if (!found.ok) return err(refusal(found.error));
    return found.value === undefined ? err(noObject(input.name)) : ok({ store, object: found.value });
  };
  return {
    "Trellis.Store.List": async ({ input }) => {
      const store = await data.store(input.deployment, input.store);
      if (store === undefined) return err(noStore(input));
      const objects = await store.list();
      if (!objects.ok) return err(refusal(objects.error));
      const { items, ...more } = fittingPage(objects.value, ({ name }) => name, objectView, {
        limit: DEFAULT_LIMIT,
        ...input,
      });
      return ok({ objects: items, ...more });
    },
    "Trellis.Store.Info": async ({ input }) => {
      const found = await info(input);
      return found.ok ? ok(objectView(found.value.object)) : found;
    },
    "Trellis.Store.Read": async ({ input }) => {
      const found = await info(input);
      if (!found.ok) return found;
      const { store, object } = found.value;
      if (object.digest !== input.digest) {
        return err(
          new Refused({
            code: "changed",
            why: `${input.name} was replaced while it was read.`,
            next: "Begin again: what is there now is another object.",
          }),
        );
      }
      const end = Math.min(object.size, input.start + PIECE_BYTES);
      const opened = await store.get(input.name, { range: { start: Math.min(input.start, end), end } });
      if (!opened.ok) return err(refusal(opened.error));
      const chunks: Uint8Array[] = [];
      for await (const chunk of opened.value.body) chunks.push(chunk);
      return ok({ data: Buffer.concat(chunks).toString("base64") });
    },
    "Trellis.Store.Upload.Begin": async ({ input, caller }) => {
      const store = data.writableStore(input.deployment, input.store);
      if (store === undefined) return err(noStore(input));
      await record(caller, "store.put", input, input.name);
      const begun = await store.uploads.begin(input.name, input.size);
      return begun.ok ? ok({ upload: begun.value, pieceBytes: PIECE_BYTES }) : err(refusal(begun.error));
    },
    "Trellis.Store.Upload.Piece": async ({ input }) => {
      const store = data.writableStore(input.deployment, input.store);
      if (store === undefined) return err(noStore(input));
      const stored = await store.uploads.piece(input.upload, input.index, Buffer.from(input.data, "base64"));
      return stored.ok ? ok({}) : err(refusal(stored.error));
    },
    "Trellis.Store.Upload.Finish": async ({ input }) => {
      const store = data.writableStore(input.deployment, input.store);
      if (store === undefined) return err(noStore(input));
      const finished = await store.uploads.finish(input.upload, input);
      return finished.ok ? ok(objectView(finished.value)) : err(refusal(finished.error));
    },
    "Trellis.Store.Upload.Cancel": async ({ input }) => {
      const store = data.writableStore(input.deployment, input.store);
      if (store === undefined) return err(noStore(input));
      const cancelled = await store.uploads.cancel(input.upload);
      return cancelled.ok ? ok({}) : err(refusal(cancelled.error));
    },
    "Trellis.Store.Delete": async ({ input, caller }) => {
      const store = data.writableStore(input.deployment, input.store);
      if (store === undefined) return err(noStore(input));
      await record(caller, "store.delete", input, input.name);
      const deleted = await store.delete(input.name);
      return deleted.ok ? ok({ deleted: deleted.value }) : err(refusal(deleted.error));
    },
  };
}

function objectView({ contentType, at, ...object }: StoredObject) {
  return { ...object, ...(contentType === undefined ? {} : { contentType }), at: at.toISOString() };
}

function noStore({ deployment, store }: StoreRef): InstanceType<typeof NotFound> {
  return new NotFound({ kind: "object store", name: `${store} of ${deployment}` });
}

function noObject(name: string): InstanceType<typeof NotFound> {
  return new NotFound({ kind: "object", name });
}

function refusal(error: StoreError): InstanceType<typeof NotFound> | InstanceType<typeof Refused> {
  if (error.code === "not_found") return noObject(error.object ?? "");
  return new Refused({
    code: error.code,
    why: error.message,
    next: error.code === "unavailable" ? "Look before you repeat it." : "trellis store list shows what is there.",
  });
}
