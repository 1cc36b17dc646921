import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Compiles nats-server with the machine's Go toolchain: what works where archives cannot be downloaded. */

const TIMEOUT_MS = 10 * 60_000;

export interface GoInstallOptions {
  readonly go: string;
  readonly version: string;
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (text: string) => void;
}

export async function goInstallServer(options: GoInstallOptions): Promise<Uint8Array> {
  const { go, version, env, onProgress } = options;
  const bin = await mkdtemp(join(tmpdir(), "trellis-go-"));
  try {
    onProgress(`compiling nats-server ${version} with ${go} (about a minute, once)`);
    // Without C the result runs on any Linux, as the official one does.
    const settings = { ...env, GOBIN: bin, CGO_ENABLED: "0", GOOS: "", GOARCH: "" };
    await run(go, ["install", "-trimpath", `github.com/nats-io/nats-server/v2@v${version}`], settings, onProgress);
    return await readFile(join(bin, options.program));
  } finally {
    await rm(bin, { recursive: true, force: true });
  }
}

function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine: (text: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"], timeout: TIMEOUT_MS });
    let last = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      for (const line of text.split("\n").filter((part) => part.trim() !== "")) onLine((last = line.trim()));
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`go install failed: ${last || `exit ${code}`}`)),
    );
  });
}
