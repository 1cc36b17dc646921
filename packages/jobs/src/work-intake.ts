import { Puller } from "@trellis/client/internal";
import type { Delivery, Link } from "@trellis/client/internal";
import { JOB_PRIORITIES } from "@trellis/contracts";
import type { ConsumerBinding, JobsBinding } from "@trellis/contracts";
import { PriorityIntake } from "./priority-intake.ts";

export interface IntakeOptions {
  readonly link: Link;
  readonly binding: JobsBinding;
  /** Jobs this worker could begin now. */
  readonly free: () => number;
  /** Asks at once when this many could begin, otherwise after a moment: one request for several is cheaper. */
  readonly enough: number;
  readonly ackWaitMs: number;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly onTrouble: (why: string) => void;
}

/** Where the work of a queue comes from. */
export interface WorkIntake {
  /** There may be room for more. */
  more(): void;
  /** Asks for nothing more and gives back what still comes. */
  stopGivingBack(): Promise<void>;
  close(): void;
}

/** A worker that was killed may swallow what was handed to its open request, until its acknowledgement wait is over. */
const REQUEST_MS = 1_500;

export function openIntake(options: IntakeOptions): WorkIntake {
  const { link, binding, enough, onTrouble } = options;
  const open = (consumer: string, free: () => number, onDelivery: (delivery: Delivery) => void): Puller => {
    const source: ConsumerBinding = { stream: binding.stream, consumer };
    return new Puller({ link, binding: source, free, enough, expiresMs: REQUEST_MS, onDelivery, onTrouble });
  };
  const { priorities } = binding;
  if (priorities === undefined) return open(binding.consumer, options.free, options.onDelivery);
  const [high, low] = JOB_PRIORITIES;
  return new PriorityIntake([priorities[high], binding.consumer, priorities[low]], open, options);
}
