import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const WITHIN_MS = 10_000;

/** Resolves when somebody listens at a port of this machine. */
export async function untilConnects(port: number): Promise<void> {
  for (const deadline = performance.now() + WITHIN_MS; !(await connects(port)); await sleep(10)) {
    if (performance.now() > deadline) throw new Error(`nobody listens at port ${port} after ${WITHIN_MS} ms`);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
