import { headers } from "@nats-io/nats-core";
import type { NatsConnection } from "@nats-io/nats-core";
import { operationRecordSubject, operationToken } from "@trellis/contracts";
import { readRecord } from "@trellis/server/internal";
import type { OperationName, OperationRecord } from "@trellis/server/internal";

/** A hand at the streams of `billing`, for what another replica does at exactly the wrong moment. */
export class SecondOwner {
  readonly #data: NatsConnection;

  constructor(data: NatsConnection) {
    this.#data = data;
  }

  /** Claims an operation as a replica does that thinks its owner dead, and never goes on with it; answers the fence. */
  async overtake(name: OperationName): Promise<number> {
    const subject = subjectOf("journal", name);
    for (;;) {
      const last = await this.#last("OPS_billing", subject);
      const before = readRecord(last.data);
      if (before === undefined) throw new Error(`no record of ${name.id}`);
      const { owner, snapshot } = before;
      const { pause: _, ...kept } = snapshot;
      const record: OperationRecord = {
        kind: "claimed",
        claim: "second-owner",
        owner,
        snapshot: { ...kept, state: "running", attempt: snapshot.attempt + 1, revision: snapshot.revision + 1 },
        name: "second owner",
      };
      const expected = headers();
      expected.set("Nats-Expected-Last-Subject-Sequence", String(last.seq));
      const answer = await this.#data.request(subject, JSON.stringify(record), { timeout: 5_000, headers: expected });
      const { seq, error } = answer.json<{ seq: number; error?: object }>();
      // Its owner has just recorded something.
      if (error === undefined) return seq;
    }
  }

  /** Makes the item that is in the queue come once more, as after a server that forgot who had it. */
  async repeatItem(name: OperationName): Promise<void> {
    const subject = subjectOf("work", name);
    const { data } = await this.#last("OPS_WORK_billing", subject);
    await this.#data.request(subject, data);
  }

  /** Makes somebody look. */
  async wake(name: OperationName): Promise<void> {
    await this.#data.request(subjectOf("work", name), JSON.stringify({ id: name.id }));
  }

  /** Leaves something for the owner that no hint tells it of: hints do not cross accounts. */
  async leave(name: OperationName, message: object): Promise<void> {
    await this.#data.request(subjectOf("inbox", name), JSON.stringify(message));
  }

  async #last(stream: string, subject: string): Promise<{ readonly seq: number; readonly data: Uint8Array }> {
    const answer = await this.#data.request(
      `$JS.API.STREAM.MSG.GET.${stream}`,
      JSON.stringify({ last_by_subj: subject }),
    );
    const { message } = answer.json<{ message?: { seq: number; data: string } }>();
    if (message === undefined) throw new Error(`${stream} has nothing on ${subject}: ${answer.string()}`);
    return { seq: message.seq, data: Buffer.from(message.data, "base64") };
  }
}

function subjectOf(part: "journal" | "inbox" | "work", { operation, id }: OperationName): string {
  return operationRecordSubject("billing", part, operationToken(operation), id);
}
