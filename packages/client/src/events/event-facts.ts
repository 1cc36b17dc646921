import { compileSchema, eventWildcard, subjectMatcher } from "@trellis/contracts";
import type { AnyContract, CompiledSchema } from "@trellis/contracts";
import { auth } from "@trellis/sdk/auth";
import { core } from "@trellis/sdk/core";
import { health } from "@trellis/sdk/health";
import { compileEventTemplate } from "@trellis/protocol";
import type { EventTemplate, ValidationIssue } from "@trellis/protocol";

/** One event as publishers and listeners need it. */
export interface EventFacts {
  readonly name: string;
  readonly contractId: string;
  /** What matches every message of it. */
  readonly wildcard: string;
  /** Whether a message of it has this subject. */
  readonly matches: (subject: string) => boolean;
  readonly template: EventTemplate;
  readonly schema: CompiledSchema;
  /** Where this contract declares it: an alias, or itself. */
  readonly alias: string | undefined;
}

/** The contracts behind baseline uses, which a contract names without holding them. */
const PLATFORM_CONTRACTS: { readonly [id: string]: AnyContract } = {
  [auth.id]: auth,
  [core.id]: core,
  [health.id]: health,
};

/** The events a contract may publish: its own, and those it selected of the contracts it uses. */
export function publishableEvents(contract: AnyContract): ReadonlyMap<string, EventFacts> {
  const all = selectedEvents(contract, "publish");
  for (const name of Object.keys(contract.manifest.events ?? {})) add(all, contract, name, undefined);
  return all;
}

/** The events of other contracts that a contract may listen to. */
export function listenableEvents(contract: AnyContract): ReadonlyMap<string, EventFacts> {
  return selectedEvents(contract, "subscribe");
}

/** The events one consumer group takes: its contract's own and those of contracts it uses. */
export function consumedEvents(contract: AnyContract, group: string): ReadonlyMap<string, EventFacts> {
  const all = new Map<string, EventFacts>();
  const consumer = contract.manifest.eventConsumers?.[group];
  for (const name of consumer?.self ?? []) add(all, contract, name, undefined);
  for (const [alias, names] of Object.entries(consumer?.uses ?? {})) {
    const owner = ownerOf(contract, alias);
    for (const name of names) if (owner !== undefined) add(all, owner, name, alias);
  }
  return all;
}

/** Why a payload under this subject is not the event it says it is; nothing when it is. */
export function eventIssues(facts: EventFacts, subject: string, payload: unknown): readonly ValidationIssue[] {
  if (!facts.schema.check(payload)) return facts.schema.errors(payload);
  if (facts.template.pointers.length === 0) return [];
  const expected = facts.template.subject(payload);
  if (!expected.ok) return expected.error.issues;
  if (expected.value === subject) return [];
  // A subscriber who filters by these tokens relies on them.
  return [{ path: "", message: `the subject ${subject} does not say what the payload says` }];
}

function selectedEvents(contract: AnyContract, list: "publish" | "subscribe"): Map<string, EventFacts> {
  const all = new Map<string, EventFacts>();
  for (const [alias, used] of Object.entries(contract.uses)) {
    const owner = ownerOf(contract, alias);
    if (owner === undefined) continue;
    for (const name of used.selection.events?.[list] ?? []) add(all, owner, name, alias);
  }
  return all;
}

function ownerOf(contract: AnyContract, alias: string): AnyContract | undefined {
  const used = contract.uses[alias];
  return used === undefined ? undefined : (used.contract ?? PLATFORM_CONTRACTS[used.id]);
}

function add(all: Map<string, EventFacts>, owner: AnyContract, name: string, alias: string | undefined): void {
  const event = owner.manifest.events?.[name];
  if (event === undefined) return;
  // Compiling a schema costs a millisecond; a participant of a large contract touches a few of its events.
  let schema: CompiledSchema | undefined;
  const wildcard = eventWildcard(event.subject);
  all.set(name, {
    name,
    contractId: owner.id,
    wildcard,
    matches: subjectMatcher(wildcard),
    template: compileEventTemplate(event.subject),
    get schema() {
      return (schema ??= compileSchema(owner.manifest.schemas?.[event.event.schema] ?? false));
    },
    alias,
  });
}
