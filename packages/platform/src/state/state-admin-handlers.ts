import { contractName } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { NotFound, Refused, type state } from "@trellis/sdk";
import type { KvStored } from "@trellis/server/node";
import { recordAudit } from "../audit/audit.ts";
import { actorOf, type HandlerCaller, type HandlersOf, isoTime } from "../handlers/handler.ts";
import type { User } from "../tables.ts";
import { purgeState } from "./purge-state.ts";
import { stored } from "./read-state.ts";
import type { StateRecord } from "./state-bucket.ts";
import { failed } from "./state-failure.ts";
import { deleteState, type StateParts } from "./state-handlers.ts";
import { stateOverview } from "./state-overview.ts";
import { statePage } from "./state-page.ts";
import { entryKey, entryOf, ownerFilter, prefixFilter, type StateStore, storeKey } from "./state-place.ts";

type Names =
  "State.Admin.Overview" | "State.Admin.List" | "State.Admin.Get" | "State.Admin.Delete" | "State.Admin.Purge";
type Missing = InstanceType<typeof NotFound>;

/** What administrators do with the state of users: they see it as it is stored, whatever contracts say now. */
export function stateAdminHandlers(parts: Pick<StateParts, "context" | "bucket">): HandlersOf<typeof state, Names> {
  const { context, bucket } = parts;
  const { tables, registry } = context;
  const userOf = (reference: string): Result<User, Missing> => {
    const user = tables.users.get(reference)?.value ?? tables.users.by("name", reference)[0]?.value;
    return user ? ok(user) : err(new NotFound({ kind: "user", name: reference }));
  };
  const placeOf = (input: {
    readonly user: string;
    readonly contract: string;
    readonly store: string;
    readonly key?: string;
  }): Result<{ readonly place: StateStore; readonly user: User }, Missing> => {
    const user = userOf(input.user);
    if (!user.ok) return user;
    const { store, key } = input;
    // People write the id as well.
    const contract = contractName(input.contract);
    const owner = { type: "user", id: user.value.id } as const;
    return ok({ place: { owner, contract, store, kind: key === undefined ? "value" : "map" }, user: user.value });
  };
  const entryAt = async (place: StateStore, where = storeKey(place)) => {
    const entry = await bucket.kv.get(where, { fresh: true });
    if (!entry.ok) throw failed(entry.error);
    return entry.value && shown(place, stored(entry.value));
  };
  const audit = (caller: HandlerCaller, action: string, target: string, detail: { readonly [name: string]: string }) =>
    registry.transact((tx) =>
      recordAudit(tx, tables.outbox, { now: context.now(), actor: actorOf(caller), action, target, detail }),
    );

  return {
    "State.Admin.Overview": async ({ input }) => {
      const user = userOf(input.user);
      if (!user.ok) return user;
      return ok({ stores: [...(await stateOverview(context, bucket, { type: "user", id: user.value.id }))] });
    },
    "State.Admin.List": async ({ input }) => {
      const found = placeOf(input);
      if (!found.ok) return found;
      const map: StateStore = { ...found.value.place, kind: "map" };
      const prefix = prefixFilter(map, input.prefix);
      if (!prefix.ok) return prefix;
      const { entries, ...more } = await statePage(bucket, prefix.value.filter, input);
      const matching = entries.map((entry) => shown(map, entry)).filter(({ key }) => prefix.value.matches(key));
      // Nothing says whether it is a map or one value: what is there does.
      const single =
        input.cursor === undefined && input.prefix === undefined ? await entryAt(found.value.place) : undefined;
      return ok({ entries: [...(single ? [single] : []), ...matching], ...more });
    },
    "State.Admin.Get": async ({ input }) => {
      const found = placeOf(input);
      if (!found.ok) return found;
      const where = entryKey(found.value.place, input.key);
      if (!where.ok) return where;
      const entry = await entryAt(found.value.place, where.value);
      return entry ? ok({ entry }) : err(new NotFound({ kind: "entry", name: nameOf(input) }));
    },
    "State.Admin.Delete": async ({ input, caller }) => {
      const found = placeOf(input);
      if (!found.ok) return found;
      const { place, user } = found.value;
      const where = entryKey(place, input.key);
      if (!where.ok) return where;
      // Before it is done: what was done is never missing in the audit log, wherever we are killed.
      await audit(caller, "state.delete", user.name, { entry: nameOf(input) });
      return deleteState(bucket, where.value, input);
    },
    "State.Admin.Purge": async ({ input, caller }) => {
      const user = userOf(input.user);
      if (!user.ok) return user;
      const { id, name } = user.value;
      const contract = input.contract === undefined ? undefined : contractName(input.contract);
      const filter = ownerFilter({ type: "user", id }, contract);
      if (input.acknowledge !== true) {
        const names = await bucket.names(filter);
        return err(
          new Refused({
            code: "not_acknowledged",
            why: `This ends ${names.length} entries of ${name}${contract === undefined ? "" : ` in ${contract}`} for good, on all their devices.`,
            next: "Look at them first; then say acknowledge.",
          }),
        );
      }
      await audit(caller, "state.purge", name, { contract: contract ?? "all" });
      return ok(await purgeState(bucket, filter));
    },
  };
}

function shown(place: StateStore, entry: KvStored<StateRecord>) {
  const key = entryOf(place, entry.key);
  const record = entry.type === "put" ? entry.value : { version: "", value: null };
  return {
    ...(key === undefined ? {} : { key }),
    revision: entry.revision,
    at: isoTime(entry.at.getTime()),
    stateVersion: record.version,
    value: record.value,
  };
}

function nameOf({
  contract,
  store,
  key,
}: {
  readonly contract: string;
  readonly store: string;
  readonly key?: string;
}) {
  return [contract, store, ...(key === undefined ? [] : [key])].join(" ");
}
