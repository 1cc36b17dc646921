import type { PermissionRule, Permissions } from "./permissions.ts";

/** Collects rules; the first reason for a subject stays. */
export class PermissionList {
  readonly #publish = new Map<string, PermissionRule>();
  readonly #subscribe = new Map<string, PermissionRule>();

  publish(subject: string, reason: string): void {
    if (!this.#publish.has(subject)) this.#publish.set(subject, { subject, reason });
  }

  subscribe(subject: string, reason: string, queue?: string): void {
    const key = `${subject} ${queue ?? ""}`;
    if (!this.#subscribe.has(key))
      this.#subscribe.set(key, queue === undefined ? { subject, reason } : { subject, queue, reason });
  }

  permissions(): Permissions {
    return { publish: [...this.#publish.values()], subscribe: [...this.#subscribe.values()] };
  }
}
