import type { NatsConnection } from "@nats-io/nats-core";
import type { ConsumerBinding } from "@trellis/contracts";
import { isJsError, jsApi, JS_ERRORS } from "../registry/jetstream-api.ts";

/** What JetStream says about one consumer. */
export interface GroupState {
  readonly pending: number;
  readonly inFlight: number;
  readonly redelivered: number;
  readonly lastDelivered: string | undefined;
  readonly pausedUntil: string | undefined;
}

/** How consumer groups stand, and whether they are given anything. */
export interface EventGroups {
  /** Nothing when JetStream does not have it (yet, or any more). */
  state(binding: ConsumerBinding): Promise<GroupState | undefined>;
  /** Delivers nothing until then; without a time it goes on now. */
  pause(binding: ConsumerBinding, until: Date | undefined): Promise<boolean>;
}

interface ConsumerInfo {
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_redelivered: number;
  readonly delivered: { readonly last_active?: string };
  readonly config: { readonly pause_until?: string };
  readonly paused?: boolean;
}

/** Works in the DATA account. */
export function createEventGroups(nc: NatsConnection): EventGroups {
  return {
    async state({ stream, consumer }) {
      try {
        const info = await jsApi<ConsumerInfo>(nc, `CONSUMER.INFO.${stream}.${consumer}`);
        return {
          pending: info.num_pending,
          inFlight: info.num_ack_pending,
          redelivered: info.num_redelivered,
          lastDelivered: info.delivered.last_active,
          pausedUntil: info.paused === true ? info.config.pause_until : undefined,
        };
      } catch (error) {
        if (isJsError(error, JS_ERRORS.consumerNotFound) || isJsError(error, JS_ERRORS.streamNotFound))
          return undefined;
        throw error;
      }
    },
    async pause({ stream, consumer }, until) {
      try {
        await jsApi(
          nc,
          `CONSUMER.PAUSE.${stream}.${consumer}`,
          until === undefined ? {} : { pause_until: until.toISOString() },
        );
        return true;
      } catch (error) {
        if (isJsError(error, JS_ERRORS.consumerNotFound)) return false;
        throw error;
      }
    },
  };
}
