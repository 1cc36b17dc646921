import type { Manifest, UseSelection } from "./manifest.ts";
import type { PermissionList } from "./permission-list.ts";
import type { DeriveInput } from "./permissions.ts";
import {
  eventWildcard,
  operationControlSubject,
  operationRunSubject,
  streamControlSubject,
  transferControlSubject,
  transferSubject,
} from "./subjects.ts";
import type { OperationAction } from "./subjects.ts";

/** What a connection may do with the contracts it uses: what it selected, exists there, and its capabilities allow. */
export function deriveUses(input: DeriveInput, list: PermissionList): void {
  const { required = {}, optional = {} } = input.manifest.uses ?? {};
  for (const [alias, selection] of Object.entries({ ...optional, ...required })) {
    const used = Object.hasOwn(input.uses, alias) ? input.uses[alias] : undefined;
    // Whoever resolved the alias resolved it to this contract; anything else would grant what nobody declared.
    if (used === undefined || used.id !== selection.contract) continue;
    new Use(input, alias, used, list).derive(selection);
  }
}

class Use {
  readonly #input: DeriveInput;
  readonly #used: Manifest;
  readonly #list: PermissionList;
  readonly #who: string;
  readonly #services: readonly string[];

  constructor(input: DeriveInput, alias: string, used: Manifest, list: PermissionList) {
    this.#input = input;
    this.#used = used;
    this.#list = list;
    this.#who = `${input.manifest.id} uses ${used.id} as ${alias}`;
    this.#services =
      input.serviceNames !== undefined && Object.hasOwn(input.serviceNames, alias)
        ? (input.serviceNames[alias] ?? [])
        : [];
  }

  derive({ rpc, operations, events, feeds }: UseSelection): void {
    for (const name of rpc?.call ?? []) this.#rpc(name);
    for (const name of operations?.call ?? []) this.#operation(name);
    for (const name of feeds?.subscribe ?? []) this.#feed(name);
    for (const name of events?.publish ?? []) {
      const event = member(this.#used.events, name);
      if (event === undefined || !this.#holds(event.capabilities?.publish)) continue;
      this.#list.publish(eventWildcard(event.subject), `${this.#who} and may publish its event ${name}`);
    }
    for (const name of events?.subscribe ?? []) {
      const event = member(this.#used.events, name);
      if (event === undefined || !this.#holds(event.capabilities?.subscribe)) continue;
      this.#list.subscribe(eventWildcard(event.subject), `${this.#who} and may subscribe to its event ${name}`);
    }
  }

  #rpc(name: string): void {
    const rpc = member(this.#used.rpc, name);
    if (rpc === undefined || !this.#holds(rpc.capabilities?.call)) return;
    this.#list.publish(rpc.subject, `${this.#who} and may call its RPC ${name}`);
    if (rpc.transfer !== undefined) this.#transfers("download", `the RPC ${name}`);
  }

  #operation(name: string): void {
    const operation = member(this.#used.operations, name);
    if (operation === undefined) return;
    const { subject, capabilities = {}, cancel, signals, transfer } = operation;
    const calls = this.#holds(capabilities.call);
    const observes = this.#holds(capabilities.observe ?? capabilities.call);
    if (calls) {
      this.#list.publish(subject, `${this.#who} and may start its operation ${name}`);
      this.#control(subject, "start", `start its operation ${name}`);
      if (transfer !== undefined) this.#transfers("upload", `the operation ${name}`);
    }
    if (calls && observes) {
      const runs = `start its operation ${name} and hear its end (run)`;
      this.#list.publish(operationRunSubject(subject), `${this.#who} and may ${runs}`);
      this.#control(subject, "run", runs);
    }
    if (observes) {
      for (const action of ["get", "wait", "watch"] as const)
        this.#control(subject, action, `observe its operation ${name} (${action})`);
      this.#list.publish(
        streamControlSubject(subject, "*", "*", "*"),
        `${this.#who} and may observe its operation ${name}: it sends credits to the replica it watches`,
      );
    }
    // Omitted means that callers cannot cancel at all; an empty list means that any of them may.
    if (capabilities.cancel !== undefined && cancel !== false && this.#holds(capabilities.cancel))
      this.#control(subject, "cancel", `cancel its operation ${name}`);
    // Without `control`, being the owner is enough, and whoever may neither start nor observe owns nothing.
    const controls = capabilities.control === undefined ? calls || observes : this.#holds(capabilities.control);
    if (signals !== undefined && controls) this.#control(subject, "signal", `signal its operation ${name}`);
  }

  /** Of any deployment: which one has an operation is known when it was started. */
  #control(subject: string, action: OperationAction, what: string): void {
    this.#list.publish(operationControlSubject(subject, action, "*"), `${this.#who} and may ${what}`);
  }

  #feed(name: string): void {
    const feed = member(this.#used.feeds, name);
    if (feed === undefined || !this.#holds(feed.capabilities?.subscribe)) return;
    this.#list.publish(feed.subject, `${this.#who} and may open its feed ${name}`);
    this.#list.publish(
      streamControlSubject(feed.subject, "*", "*", "*"),
      `${this.#who} and may read its feed ${name}: it sends credits to the replica that serves it`,
    );
  }

  #transfers(direction: "upload" | "download", surface: string): void {
    for (const service of this.#services) {
      const reason = `${this.#who} and may transfer bytes with ${surface}, which the deployment ${service} serves`;
      this.#list.publish(transferSubject(direction, service, "*"), reason);
      this.#list.publish(transferControlSubject(service, "*", "*"), reason);
    }
  }

  /** An omitted list and an empty one ask for nothing more than being authenticated. */
  #holds(needed: readonly string[] | undefined): boolean {
    return (needed ?? []).every((key) => this.#input.capabilities.has(key));
  }
}

function member<T>(map: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
}
