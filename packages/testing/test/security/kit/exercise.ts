import { expect } from "vitest";
import type { Joined, Laboratory } from "./laboratory.ts";
import { maySubscribe, mayPublish, type Participant, type World } from "./oracle.ts";
import { ask, askMany, type RawAnswer } from "./participant.ts";
import { eventually } from "./eventually.ts";

/** A participant of the set under test, and its connection. */
export interface Member extends Participant {
  readonly joined: Joined;
}

/** Uses everything stored that a member's contract gives it: puts, reads of every kind, watches, pulls, acknowledges. */
export async function exercise(
  lab: Laboratory,
  member: Member,
  members: readonly Member[],
  world: World,
): Promise<void> {
  if (member.manifest.kind !== "service") return;
  for (const alias of Object.keys(member.manifest.resources?.kv ?? {}))
    await useBucket(member, `${member.name}_${alias}`);
  for (const alias of Object.keys(member.manifest.resources?.store ?? {}))
    await useStore(member, `${member.name}_${alias}`);
  for (const queue of Object.keys(member.manifest.jobs ?? {})) await useJobs(lab, member, queue);
  if (Object.keys(member.manifest.operations ?? {}).length > 0) await useOperations(lab, member);
  for (const group of Object.keys(member.manifest.eventConsumers ?? {}))
    await useConsumer(lab, member, group, members, world);
}

async function useBucket({ joined: { nc, key } }: Member, bucket: string): Promise<void> {
  const watched: string[] = [];
  const watch = nc.subscribe(`kvr.${bucket}.exercise.>`, {
    callback: (_, message) => void watched.push(`${message.subject} ${message.string()}`),
  });
  const put = acknowledgement(await ask(nc, key, `$KV.${bucket}.exercise.a`, "1"));
  expect(put.stream).toBe(`KV_${bucket}`);
  await readBack({ nc, key }, `KV_${bucket}`, `$KV.${bucket}.exercise.a`, "1");
  await eventually(() => watched.includes(`kvr.${bucket}.exercise.a 1`) || undefined, {
    what: () => `no change of ${bucket} was heard`,
  });
  watch.unsubscribe();
}

async function useStore({ joined: { nc, key } }: Member, bucket: string): Promise<void> {
  for (const subject of [`$O.${bucket}.C.exercise`, `$O.${bucket}.M.exercise`]) {
    acknowledgement(await ask(nc, key, subject, "bytes"));
    await readBack({ nc, key }, `OBJ_${bucket}`, subject, "bytes");
  }
}

async function readBack(
  { nc, key }: Pick<Member["joined"], "nc" | "key">,
  stream: string,
  subject: string,
  value: string,
): Promise<void> {
  expect((await ask(nc, key, `$JS.API.DIRECT.GET.${stream}.${subject}`)).text()).toBe(value);
  const batch = await askMany(
    nc,
    key,
    `$JS.API.DIRECT.GET.${stream}`,
    JSON.stringify({ seq: 1, batch: 10, next_by_subj: subject }),
    {
      until: ({ headers }) => headers?.code === 204,
    },
  );
  expect(batch.map((answer) => answer.text())).toEqual([value, ""]);
  const leader: { readonly message?: { readonly data: string } } = JSON.parse(
    (await ask(nc, key, `trellis.leader.${stream}`, JSON.stringify({ last_by_subj: subject }))).text(),
  );
  expect(Buffer.from(leader.message?.data ?? "", "base64").toString()).toBe(value);
}

async function useJobs(lab: Laboratory, { name, joined: { nc, key } }: Member, queue: string): Promise<void> {
  const job = `trellis.jobs.${name}.${queue}.exercise`;
  acknowledgement(await ask(nc, key, `${job}.created`, "work"));
  expect((await ask(nc, key, `$JS.API.DIRECT.GET.JOBS.${job}.created`)).text()).toBe("work");
  const taken = await pull(lab, { nc, key }, "JOBS_WORK", `${name}_${queue}`);
  expect([taken.subject, taken.text()]).toEqual([`trellis.work.${name}.${queue}`, "work"]);
  await acknowledge(lab, { nc, key }, "JOBS_WORK", `${name}_${queue}`, [taken]);
}

/** A journal, an inbox and what is republished of them; an item that is taken, and one that comes at its time. */
async function useOperations(lab: Laboratory, { name, joined: { nc, key } }: Member): Promise<void> {
  const at = (part: string): string => `trellis.ops.${name}.${part}.Exercise-Run.one`;
  const heard: string[] = [];
  const changes = nc.subscribe(`kvr.OPS_${name}.Exercise-Run.one`, {
    callback: (_, message) => void heard.push(message.string()),
  });
  const inbox = nc.subscribe(at("inbox"), { callback: (_, message) => void heard.push(message.string()) });
  for (const [part, text] of [
    ["journal", "record"],
    ["inbox", "signal"],
  ] as const) {
    expect(acknowledgement(await ask(nc, key, at(part), text)).stream).toBe(`OPS_${name}`);
    await readBack({ nc, key }, `OPS_${name}`, at(part), text);
  }
  acknowledgement(await ask(nc, key, `trellis.ops.${name}.contract.exercise`, "declared"));
  await eventually(() => (heard.includes("record") && heard.includes("signal")) || undefined, {
    what: () => `the operations of ${name} were not heard: ${heard.join()}`,
  });
  changes.unsubscribe();
  inbox.unsubscribe();
  expect(acknowledgement(await ask(nc, key, at("work"), "item")).stream).toBe(`OPS_WORK_${name}`);
  const leader = await ask(nc, key, `trellis.leader.OPS_WORK_${name}`, JSON.stringify({ last_by_subj: at("work") }));
  expect(leader.text()).toContain(at("work"));
  // What it was seen to be able to put there comes first.
  for (let subject = ""; subject !== at("work");) {
    const taken = await pull(lab, { nc, key }, `OPS_WORK_${name}`, name);
    ({ subject } = taken);
    await acknowledge(lab, { nc, key }, `OPS_WORK_${name}`, name, [taken]);
  }
  acknowledgement(await ask(nc, key, at("wake"), "sleeper"));
}

async function useConsumer(
  lab: Laboratory,
  member: Member,
  group: string,
  members: readonly Member[],
  world: World,
): Promise<void> {
  const consumer = `${member.name}_${group}`;
  const { config } = await lab.manager.consumers.info("EVENTS", consumer);
  const { nc, key } = member.joined;
  // Somebody who may publish each of the events does, and every one of them reaches the group, in its turn.
  const told: string[] = [];
  for (const [at, filter] of (config.filter_subjects ?? [config.filter_subject ?? ""]).entries()) {
    // Nobody but the platform sends a group its events again.
    const subject = filter.replace(/^\*\./, "events.").replaceAll("*", "exercise");
    const publisher = members.find((one) => mayPublish(one, subject, world));
    const own = Object.keys(member.manifest.events ?? {}).some((event) => subject.startsWith(`events.v1.${event}`));
    if (!own) expect(maySubscribe(member, subject, undefined, world), `${consumer} reads ${subject}`).toBe(true);
    if (!publisher) continue;
    told.push(`${subject} ${consumer}-${at}`);
    acknowledgement(await ask(publisher.joined.nc, publisher.joined.key, subject, `${consumer}-${at}`));
  }
  const pulled: string[] = [];
  let pin: string | undefined;
  while (told.some((line) => !pulled.includes(line))) {
    const next = await pull(lab, { nc, key }, "EVENTS", consumer, pin);
    pin = next.headers?.get("Nats-Pin-Id") || pin;
    pulled.push(`${next.subject} ${next.text()}`);
    await acknowledge(lab, { nc, key }, "EVENTS", consumer, [next]);
  }
}

/** `pin`: what a consumer that serves one replica at a time called us with its first delivery. */
async function pull(
  lab: Laboratory,
  { nc, key }: Pick<Member["joined"], "nc" | "key">,
  stream: string,
  consumer: string,
  pin?: string,
): Promise<RawAnswer> {
  const [group] = (await lab.manager.consumers.info(stream, consumer)).config.priority_groups ?? [];
  const body = {
    batch: 1,
    expires: 9_000_000_000,
    ...(group === undefined ? {} : { group }),
    ...(pin === undefined ? {} : { id: pin }),
  };
  return ask(nc, key, `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(body), {
    wanted: ({ reply, headers }) => {
      if (headers !== undefined && headers.code >= 400)
        throw new Error(`${consumer}: ${headers.code} ${headers.description}`);
      return reply?.startsWith("$JS.ACK.") === true;
    },
  });
}

async function acknowledge(
  lab: Laboratory,
  { nc, key }: Pick<Member["joined"], "nc" | "key">,
  stream: string,
  consumer: string,
  taken: readonly RawAnswer[],
): Promise<void> {
  for (const { reply } of taken) await ask(nc, key, reply ?? "", "+ACK");
  expect((await lab.manager.consumers.info(stream, consumer)).num_ack_pending).toBe(0);
}

function acknowledgement(answer: RawAnswer): { readonly stream: string; readonly seq: number } {
  const ack: { readonly stream?: string; readonly seq?: number; readonly error?: unknown } = JSON.parse(answer.text());
  if (ack.stream === undefined || ack.seq === undefined) throw new Error(`not stored: ${answer.text()}`);
  return { stream: ack.stream, seq: ack.seq };
}
