import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { compareManifests, operationContractSubject, parseManifest } from "@trellis/contracts";
import type { AnyContract, Manifest } from "@trellis/contracts";
import type { OwnStream } from "../jetstream/own-stream.ts";
import { persist } from "../jetstream/persist.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";

const encoder = new TextEncoder();

/**
 * Whether operations that were started under another version of the contract can go on under ours. Each version leaves
 * what it says about operations beside their journals, for the replicas that come after it.
 */
export class OperationContracts {
  readonly #contract: AnyContract;
  readonly #link: Link;
  readonly #service: string;
  readonly #stream: OwnStream;
  readonly #others = new Map<string, Promise<Manifest | undefined>>();

  constructor(options: {
    readonly contract: AnyContract;
    readonly link: Link;
    readonly service: string;
    readonly stream: OwnStream;
  }) {
    this.#contract = options.contract;
    this.#link = options.link;
    this.#service = options.service;
    this.#stream = options.stream;
  }

  /** Keeps what ours says; before anything is accepted under it. */
  async keep(): Promise<void> {
    const { digest, manifest } = this.#contract;
    const headers = new MsgHdrsImpl();
    headers.headers.set("Nats-Expected-Last-Subject-Sequence", ["0"]);
    const data = encoder.encode(JSON.stringify(aboutOperations(manifest)));
    await persist(this.#link, async () => {
      try {
        await this.#stream.store(operationContractSubject(this.#service, digest), data, { headers });
      } catch (error) {
        // It is there already.
        if (!(error instanceof StreamRefused) || !error.isConflict) throw error;
      }
    });
  }

  /** Why an operation that was started under this digest cannot go on here; nothing when it can. */
  async unfit(operation: string, digest: string): Promise<string | undefined> {
    if (digest === this.#contract.digest) return undefined;
    const older = await this.#read(digest);
    const started = `It was started under ${this.#contract.id} ${digest.slice(0, 8)}…`;
    if (older === undefined) return `${started}, which nobody knows here any more.`;
    const { changes } = compareManifests(older, aboutOperations(this.#contract.manifest));
    const here = `/operations/${operation}`;
    const breaking = changes.find(
      ({ path, effect }) =>
        effect === "breaking" &&
        (path === here || path.startsWith(`${here}/`)) &&
        !path.startsWith(`${here}/capabilities`),
    );
    return breaking === undefined
      ? undefined
      : `${started}, and the replicas that serve now cannot go on with it: ${breaking.message}. It waits for one that can.`;
  }

  #read(digest: string): Promise<Manifest | undefined> {
    const known = this.#others.get(digest);
    if (known !== undefined) return known;
    const read = persist(this.#link, async () => {
      const message = await this.#stream.lastOfLeader(operationContractSubject(this.#service, digest));
      if (message === undefined) return undefined;
      const parsed = parseManifest(new TextDecoder().decode(message.data));
      return parsed.ok ? parsed.value.manifest : undefined;
    });
    this.#others.set(digest, read);
    read.catch(() => this.#others.delete(digest));
    return read;
  }
}

/** A manifest that says nothing but what operations are. */
function aboutOperations({
  format,
  id,
  kind,
  displayName,
  description,
  capabilities,
  schemas,
  operations,
  errors,
  resources,
}: Manifest): Manifest {
  return {
    format,
    id,
    kind,
    displayName,
    description,
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(schemas === undefined ? {} : { schemas }),
    ...(operations === undefined ? {} : { operations }),
    ...(errors === undefined ? {} : { errors }),
    // A transfer names a store.
    ...(resources === undefined ? {} : { resources }),
  };
}
