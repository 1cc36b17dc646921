import type { PreparedEvent } from "@trellis/client";
import type { ParkedEvent, StrangeEvents, WaitingEvent } from "./repository.ts";

/** One column of a row that a driver gave us. */
export function column(row: unknown, name: string): unknown {
  return typeof row === "object" && row !== null ? Object.getOwnPropertyDescriptor(row, name)?.value : undefined;
}

/** Events in the order of their places, which are whole numbers. */
export function waitingEvents(rows: readonly unknown[]): readonly WaitingEvent[] {
  return rows
    .map((row) => ({
      place: String(column(row, "place")),
      lane: String(column(row, "lane")),
      event: storedEvent(row),
    }))
    .sort((a, b) => Number(a.place) - Number(b.place));
}

export function parkedEvents(rows: readonly unknown[]): readonly ParkedEvent[] {
  return rows.map((row) => ({ event: storedEvent(row), reason: String(column(row, "parked")) }));
}

/** A row that counts events of one name. */
export function strangeEvents(row: unknown, oldestAt: Date): StrangeEvents {
  return { name: String(column(row, "name")), waiting: Number(column(row, "waiting")), oldestAt };
}

function storedEvent(row: unknown): PreparedEvent {
  const event: PreparedEvent = JSON.parse(String(column(row, "event")));
  return event;
}
