import { TransportError } from "@trellis/protocol";
import type { Result } from "@trellis/result";
import type { TrellisError } from "@trellis/contracts";
import { type CallableRpc, unknownRpc } from "../callable-rpc.ts";
import { pause, reconnectDelayMs } from "../reconnect-delay.ts";
import { callRpc, type CallTransport } from "../rpc-call.ts";
import type { StateCallOptions } from "./state-types.ts";

/** Long enough for another replica to take over. */
const DEFAULT_MS = 10_000;
/**
 * A replica that does not answer within this was killed or is lost; the next one is asked. It is twice as long each time:
 * where everything is slow, asking again must not make it slower.
 */
const FIRST_ATTEMPT_MS = 2_500;

const PASSING: ReadonlySet<string> = new Set(["timeout", "no_responders", "disconnected", "retry_later"]);

/** Asks `trellis.state@v1`, again and again while nobody answers or it is too much for now: everything it is asked may be asked twice. */
export class StateCalls {
  readonly #transport: CallTransport;
  readonly #rpcs: ReadonlyMap<string, CallableRpc>;

  constructor(transport: CallTransport, rpcs: ReadonlyMap<string, CallableRpc>) {
    this.#transport = transport;
    this.#rpcs = rpcs;
  }

  async ask(name: string, input: unknown, options: StateCallOptions = {}): Promise<Result<unknown, TrellisError>> {
    const rpc = this.#rpcs.get(name) ?? unknownRpc(name);
    const { timeoutMs = DEFAULT_MS, signal } = options;
    const endsAt = performance.now() + timeoutMs;
    for (let attempt = 0; ; attempt += 1) {
      const left = Math.max(1, endsAt - performance.now());
      const answer = await callRpc(this.#transport, rpc, input, {
        timeoutMs: Math.min(left, FIRST_ATTEMPT_MS * 2 ** attempt),
        ...(signal === undefined ? {} : { signal }),
      });
      if (answer.ok || !isPassing(answer.error)) return answer;
      const pauseMs = reconnectDelayMs(attempt);
      if (performance.now() + pauseMs >= endsAt || !(await pause(pauseMs, signal))) return answer;
    }
  }
}

function isPassing(error: TrellisError): boolean {
  return error instanceof TransportError && PASSING.has(error.code);
}
