import type { Link } from "@trellis/client/internal";

/** A link on which the answer to some requests arrives late: what was asked for has long been done. */
export interface HeldLink {
  readonly link: Link;
  /** The next answer to a request whose subject ends like this waits. Resolves when it is there; what it gives lets go of it. */
  hold(ending: string): Promise<() => void>;
}

export function heldLink(inner: Link): HeldLink {
  let held: { readonly ending: string; readonly there: (go: () => void) => void } | undefined;
  const request: Link["request"] = async (subject, data, options) => {
    const answer = await inner.request(subject, data, { ...options, timeoutMs: options.timeoutMs + 60_000 });
    if (held === undefined || !subject.endsWith(held.ending)) return answer;
    const { there } = held;
    held = undefined;
    await new Promise<void>((resolve) => there(resolve));
    return answer;
  };
  const link = new Proxy(inner, {
    get(target, name): unknown {
      if (name === "request") return request;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { link, hold: (ending) => new Promise((there) => (held = { ending, there })) };
}
