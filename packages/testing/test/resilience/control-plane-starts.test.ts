import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { controlPlaneProgram } from "./kit/control-planes.ts";

/** Longer than any single question to JetStream may take. */
const LONG_MS = 12_000;

it("a control plane that starts while JetStream has no majority waits for it, and is ready when it is back", async () => {
  await using platform = await startPlatform({ nodes: 3 });
  const { nodes } = platform.local.nats;
  const frozen = nodes.slice(1).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  await using program = controlPlaneProgram({
    ...platform.local,
    nats: { ...platform.local.nats, servers: platform.local.nats.servers.slice(0, 1) },
  });
  try {
    await pause(LONG_MS);
    expect(program.running).toBe(true);
    expect(program.printed).not.toContain("the control plane is ready");
  } finally {
    for (const pid of frozen) process.kill(pid, "SIGCONT");
  }
  await program.said(/the control plane is ready/, 90_000);
});
