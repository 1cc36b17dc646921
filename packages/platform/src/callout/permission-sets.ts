import { createHash } from "node:crypto";
import type { PermissionRule, Permissions } from "@trellis/contracts";
import type { SubjectPermissions, UserPermissions } from "@trellis/nats";
import { permissionsOf } from "../authority/grants.ts";
import type { Grants } from "../authority/grants.ts";

/** What a connection may do, as NATS takes it, and its fingerprint. */
export interface PermissionSet {
  readonly fingerprint: string;
  /** For a session with this inbox prefix. */
  forInbox(inboxPrefix: string): UserPermissions;
  /** One text a rule, the inbox left open: sets of different sessions can be compared. */
  readonly rules: ReadonlySet<string>;
}

/** Stands for the inbox of any session; sixteen characters, like every prefix. */
const ANY_INBOX = "_INBOX.ANY-SESSION-----";
/** Sets remembered: one for each contract version and set of capabilities in use. */
const MAX_SETS = 4_096;

/**
 * Permissions derived once for everybody who may do the same. A set depends on the contract, the contracts behind its
 * uses, the bindings and the capabilities; of the session only the inbox, which is put in for each connection.
 */
export class PermissionSets {
  readonly #byInput = new Map<string, PermissionSet>();
  readonly #byFingerprint = new Map<string, PermissionSet>();
  readonly #numbers = new WeakMap<object, number>();
  #counted = 0;

  of(grants: Grants): PermissionSet {
    const key = this.#keyOf(grants);
    const known = this.#byInput.get(key);
    if (known) return known;
    const derived = permissionSet(permissionsOf({ ...grants, inboxPrefix: ANY_INBOX }));
    // Equal permissions are one set, whatever they were derived from.
    const set = this.#byFingerprint.get(derived.fingerprint) ?? derived;
    keep(this.#byInput, key, set);
    keep(this.#byFingerprint, set.fingerprint, set);
    return set;
  }

  /** A set this replica has derived; of others it does not know what they allow. */
  known(fingerprint: string): PermissionSet | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  /** Everything in grants but the session. What is added to grants later is part of the key without being named here. */
  #keyOf(grants: Grants): string {
    const { sessionKey: _session, inboxPrefix: _inbox, revision: _revision, principal: _principal, ...rest } = grants;
    const { manifest, uses, bindings, capabilities, ...plain } = rest;
    const aliases = Object.keys(uses)
      .sort()
      .map((alias) => `${alias}:${this.#number(uses[alias])}`);
    return [
      JSON.stringify(plain),
      this.#number(manifest),
      this.#number(bindings),
      aliases.join(),
      [...capabilities].sort().join(),
    ].join(" ");
  }

  /** A number for an object: the registry and the catalogue replace objects, they never change them. */
  #number(object: object | undefined): number {
    if (!object) return 0;
    const known = this.#numbers.get(object);
    if (known !== undefined) return known;
    this.#counted += 1;
    this.#numbers.set(object, this.#counted);
    return this.#counted;
  }
}

/** Whether something that was allowed no longer is. */
export function takesAway(before: PermissionSet, after: PermissionSet): boolean {
  for (const rule of before.rules) if (!after.rules.has(rule)) return true;
  return false;
}

function permissionSet(permissions: Permissions): PermissionSet {
  const publish = texts(permissions.publish);
  const subscribe = texts(permissions.subscribe);
  const rules = new Set([...publish.map((text) => `publish ${text}`), ...subscribe.map((text) => `subscribe ${text}`)]);
  const fingerprint = createHash("sha256")
    .update([...rules].sort().join("\n"))
    .digest("base64url")
    .slice(0, 16);
  return {
    fingerprint,
    rules,
    forInbox: (inboxPrefix) => ({ pub: open(publish, inboxPrefix), sub: open(subscribe, inboxPrefix) }),
  };
}

function open(subjects: readonly string[], inboxPrefix: string): SubjectPermissions {
  return {
    allow: subjects.map((subject) =>
      subject.startsWith(ANY_INBOX) ? inboxPrefix + subject.slice(ANY_INBOX.length) : subject,
    ),
  };
}

function texts(rules: readonly PermissionRule[]): readonly string[] {
  return [...new Set(rules.map(({ subject, queue }) => (queue === undefined ? subject : `${subject} ${queue}`)))];
}

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > MAX_SETS ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
