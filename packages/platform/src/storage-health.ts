import type { NatsConnection } from "@nats-io/nats-core";

/** How long servers have to say how they are. */
const LISTEN_MS = 2_000;

/** What the NATS servers say about their storage, looked at from time to time. */
export interface StorageHealth {
  /** What is wrong and what to do about it; without names, since whoever may read readiness need not know them. */
  readonly problem: string | undefined;
  close(): void;
}

/**
 * A stream whose disk was full answers nobody any more, also when there is room again: until its server is started anew.
 * JetStream tells nobody, so somebody has to ask.
 */
export function watchStorage(sys: NatsConnection, everyMs: number): StorageHealth {
  let problem: string | undefined;
  let closed = false;
  const look = async (): Promise<void> => {
    const problems: string[] = [];
    for await (const answer of await sys.requestMany("$SYS.REQ.SERVER.PING.HEALTHZ", "", { maxWait: LISTEN_MS })) {
      const { server, data } = answer.json<{ server?: { name?: string }; data?: { error?: string } }>();
      if (data?.error !== undefined) problems.push(`server ${server?.name ?? "?"}: ${explain(data.error)}`);
    }
    problem = problems.length === 0 ? undefined : problems.join("; ");
  };
  const again = (): void => {
    if (closed) return;
    look()
      // Servers that do not answer are seen by everything else first.
      .catch(() => undefined)
      .finally(() => {
        if (!closed) timer = setTimeout(again, everyMs).unref();
      });
  };
  let timer = setTimeout(again, everyMs).unref();
  return {
    get problem() {
      return problem;
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Paths and accounts are nobody's business; the reason stands at the end. */
function explain(error: string): string {
  const reason = /write error: .*: ([^:]+)$/s.exec(error)?.[1];
  return reason === undefined
    ? "JetStream does not work as it should; its log says why"
    : `a stream cannot be written any more (${reason}); make room, then restart that server`;
}
