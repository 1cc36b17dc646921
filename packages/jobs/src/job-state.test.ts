import { expect, test } from "vitest";
import {
  endsLife,
  JOB_EVENTS,
  JOB_STATES,
  nextState,
  OUTSIDE_ACTIONS,
  OUTSIDE_CLAIMS,
  stateAfterLast,
} from "./job-state.ts";
import type { JobEvent, JobState } from "./job-state.ts";

const after = (...events: readonly JobEvent[]) =>
  events.reduce<JobState | undefined>((state, event) => nextState(state, event), undefined);

test("a job goes from its creation to its end, and a second end changes nothing", () => {
  expect(after("created")).toBe("pending");
  expect(after("created", "started", "progress", "logged")).toBe("active");
  expect(after("created", "started", "retry")).toBe("retry");
  expect(after("created", "started", "retry", "started", "completed")).toBe("completed");
  for (const end of JOB_EVENTS.filter(endsLife)) expect(nextState("completed", end)).toBeUndefined();
});

test("only dead and failed jobs live again, and only a dead one is dismissed", () => {
  for (const state of JOB_STATES) {
    expect(nextState(state, "retried"), state).toBe(state === "dead" || state === "failed" ? "pending" : undefined);
    expect(nextState(state, "dismissed"), state).toBe(state === "dead" ? "dismissed" : undefined);
  }
});

test("a claim from outside is no run: the state stays, and the record after it says what happened", () => {
  for (const action of OUTSIDE_CLAIMS) {
    const { from, event } = OUTSIDE_ACTIONS[action];
    for (const state of from) {
      expect(nextState(state, "started", action)).toBe(state);
      expect(nextState(state, event), `${action} of ${state}`).toBe(stateAfterLast(event));
    }
  }
  expect(stateAfterLast("started", "cancel")).toBeUndefined();
});

test("nothing begins, fails or completes before it is created or started", () => {
  for (const event of JOB_EVENTS) if (event !== "created") expect(nextState(undefined, event)).toBeUndefined();
  for (const event of ["completed", "failed", "dead", "retry", "progress"] as const)
    expect(nextState("pending", event)).toBeUndefined();
});
