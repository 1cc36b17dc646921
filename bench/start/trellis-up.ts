import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { TrellisClient } from "@trellis/client/node";
import { visitor } from "../connect/visitor.ts";

const CLI = join(import.meta.dirname, "../../packages/cli/src/bin.ts");

export interface Up {
  /** From the command to its word that the platform is ready. */
  readonly readyMs: number;
  /** From the command to an answered, signed call by the developer. */
  readonly firstAnswerMs: number;
}

/** Runs `trellis up` in a folder, makes one call, and stops it. */
export async function timeTrellisUp(folder: string): Promise<Up> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [CLI, "up", "--json", "--port", "0", "--dir", folder], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const stopped = once(child, "exit");
  try {
    const line = await Promise.race([
      once(createInterface(child.stdout), "line").then(([text]) => String(text)),
      stopped.then(() => Promise.reject(new Error("`trellis up` ended early"))),
    ]);
    const readyMs = performance.now() - startedAt;
    const { url, developerKeyFile }: { url: string; developerKeyFile: string } = JSON.parse(line);
    await using client = await TrellisClient.connect({
      contract: visitor,
      url,
      userKeyFile: developerKeyFile,
      env: {},
    });
    await client.rpc.auth.sessionsMe({}).orThrow();
    return { readyMs, firstAnswerMs: performance.now() - startedAt };
  } finally {
    child.kill("SIGTERM");
    await stopped;
  }
}
