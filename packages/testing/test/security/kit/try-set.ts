import { inboxPrefix } from "@trellis/protocol";
import { expect } from "vitest";
import type { NamedSet } from "./contract-sets.ts";
import { eventually } from "./eventually.ts";
import { exercise, type Member } from "./exercise.ts";
import type { Laboratory } from "./laboratory.ts";
import { mayConnect, mayPublish, maySubscribe, type World, worldOf } from "./oracle.ts";
import { askBootstrap, bootstrapReady, newKey, type RawIdentity, type RawKey } from "./participant.ts";
import { probes } from "./probes.ts";

export interface SetReport {
  readonly participants: number;
  readonly probes: number;
  readonly allowed: number;
  readonly delivered: number;
}

/** Sets up a whole contract set through the real control plane and holds every participant against the oracle. */
export async function trySet(lab: Laboratory, set: NamedSet, admin: RawKey): Promise<SetReport> {
  const { members, world } = await joinSet(lab, set, admin);
  try {
    const subjects = probes(members);
    const heard = await subscribeAll(members, subjects, world);
    const { allowed, delivered } = await publishAll(members, subjects, world, heard);
    for (const member of members) await exercise(lab, member, members, world);
    return { participants: members.length, probes: subjects.length * members.length * 2, allowed, delivered };
  } finally {
    await Promise.all(members.map(({ joined }) => joined.nc.close()));
  }
}

/** Everybody of a set, accepted, ready and connected; who must be refused is seen to be. */
export async function joinSet(
  lab: Laboratory,
  set: NamedSet,
  admin: RawKey,
): Promise<{ readonly members: readonly Member[]; readonly world: World }> {
  const world = worldOf(set.services);
  // Known first, accepted then: the members of a circle are each other's evidence.
  const plans = [];
  for (const { name, manifest } of set.services) plans.push({ name, manifest, ...(await lab.propose(name, manifest)) });
  for (const { plan } of plans) await lab.accept(plan);
  // Optional uses are granted when their contract is ready, so everybody connects when everything is.
  for (const identity of plans) await bootstrapReady(lab.platform.url, identity);
  for (const { name, manifest, key } of plans) await groupsReady(lab, name, { manifest, key }, world);
  const members: Member[] = [];
  for (const { name, manifest, key } of plans) {
    members.push({
      name,
      manifest,
      prefix: inboxPrefix(key.text),
      holds: () => true,
      joined: await lab.join({ key, manifest }),
    });
  }
  for (const { name, manifest, holds } of set.agents) {
    const userKey = holds === "everything" ? admin : await lab.user(name, holds);
    const key = newKey();
    const who = {
      name,
      manifest,
      prefix: inboxPrefix(key.text),
      holds: (capability: string) => holds === "everything" || holds.includes(capability),
    };
    if (mayConnect(who, world)) {
      members.push({ ...who, joined: await lab.join({ key, manifest, userKey }) });
    } else {
      const answer = await askBootstrap(lab.platform.url, { key, manifest, userKey });
      expect(answer, `${name} lacks what it requires`).toMatchObject({
        status: "refused",
        reason: "insufficient_permissions",
      });
    }
  }
  return { members, world };
}

/** A group may have been made before an optional contract of its events was there; then it follows. */
async function groupsReady(lab: Laboratory, name: string, identity: RawIdentity, world: World): Promise<void> {
  const { eventConsumers = {}, uses, events } = identity.manifest;
  for (const [group, consumer] of Object.entries(eventConsumers)) {
    const owners = Object.entries(consumer.uses ?? {}).map(([alias, names]) => {
      const selection = uses?.required?.[alias] ?? uses?.optional?.[alias];
      return { names, events: world.contracts.get(selection?.contract ?? "")?.manifest.events };
    });
    const wanted = [{ names: consumer.self ?? [], events }, ...owners].flatMap((owner) =>
      owner.names.map((event) =>
        // The event, and what of it is sent again; the stream holds nothing else.
        [`*.v1.${event}`, ...(owner.events?.[event]?.params ?? []).map(() => "*")].join("."),
      ),
    );
    let found: unknown;
    await eventually(
      async () => {
        const answer = await askBootstrap(lab.platform.url, identity);
        const bound = answer.status === "ready" && Object.hasOwn(answer.bindings.eventConsumers, group);
        const config = bound ? (await lab.manager.consumers.info("EVENTS", `${name}_${group}`)).config : undefined;
        const filters = config?.filter_subjects ?? [config?.filter_subject ?? ""];
        found = filters;
        return JSON.stringify(filters.toSorted()) === JSON.stringify([...new Set(wanted)].toSorted()) || undefined;
      },
      { what: () => `${name}_${group} reads ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}` },
    );
  }
}

/** What arrived where, as `<member> <subject> <payload>`. */
type Heard = Set<string>;

async function subscribeAll(members: readonly Member[], subjects: readonly string[], world: World): Promise<Heard> {
  const heard: Heard = new Set();
  for (const member of members) {
    const { nc, violations } = member.joined;
    const wrong: string[] = [];
    const queues = [undefined, member.manifest.id, "another"];
    const opened = subjects.flatMap((subject) =>
      queues.map((queue) => {
        const subscription = nc.subscribe(subject, {
          ...(queue === undefined ? {} : { queue }),
          callback: (error, message) =>
            void (error ?? heard.add(`${member.name} ${message.subject} ${message.string()}`)),
        });
        return { subject, queue, subscription };
      }),
    );
    await violations.settle();
    for (const { subject, queue, subscription } of opened) {
      const refused = violations.seen.has(`subscription ${subject}${queue === undefined ? "" : ` ${queue}`}`);
      const may = maySubscribe(member, subject, queue, world);
      if (may === refused)
        wrong.push(
          `${may ? "should" : "must not"} subscribe to ${subject}${queue === undefined ? "" : ` in ${queue}`}`,
        );
      // Of what is allowed only the exact subjects stay, once: wildcards hear everything of one's own.
      if (refused || queue === "another" || /[*>]/.test(subject)) subscription.unsubscribe();
    }
    expect(wrong, member.name).toEqual([]);
  }
  await Promise.all(members.map(({ joined }) => joined.nc.flush()));
  return heard;
}

async function publishAll(
  members: readonly Member[],
  subjects: readonly string[],
  world: World,
  heard: Heard,
): Promise<{ allowed: number; delivered: number }> {
  const expected: string[] = [];
  let allowed = 0;
  for (const member of members) {
    const { nc, violations } = member.joined;
    for (const subject of subjects) nc.publish(subject, `from ${member.name}`);
    await violations.settle();
    const wrong: string[] = [];
    for (const subject of subjects) {
      const refused = violations.seen.has(`publish ${subject}`);
      const may = mayPublish(member, subject, world);
      if (may === refused) wrong.push(`${may ? "should" : "must not"} publish to ${subject}`);
      if (!may) continue;
      allowed += 1;
      if (/[*>]/.test(subject)) continue;
      for (const listener of members) {
        if (
          maySubscribe(listener, subject, undefined, world) ||
          maySubscribe(listener, subject, listener.manifest.id, world)
        )
          expected.push(`${listener.name} ${subject} from ${member.name}`);
      }
    }
    expect(wrong, member.name).toEqual([]);
  }
  // Everything was routed when the publishers were answered; the listeners' own answers come behind it.
  await Promise.all(members.map(({ joined }) => joined.nc.flush()));
  expect(expected.filter((line) => !heard.has(line))).toEqual([]);
  const entitled = new Set(expected);
  const strays = [...heard].filter((line) => line.includes(" from ") && !entitled.has(line));
  expect(strays).toEqual([]);
  return { allowed, delivered: expected.length };
}
