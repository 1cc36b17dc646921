import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where the server's programs are; `npm test` looks for them and says in one line when there are none. */
export const POSTGRES_BIN = process.env["TRELLIS_POSTGRES_BIN"];

/** A PostgreSQL server of this test's own. */
export interface PostgresCluster extends AsyncDisposable {
  readonly url: string;
}

/** PostgreSQL refuses to run as root; this user owns nothing. */
const NOBODY = 65_534;

export async function startPostgres(): Promise<PostgresCluster> {
  const bin = POSTGRES_BIN ?? "";
  const directory = await mkdtemp(join(tmpdir(), "trellis-postgres-"));
  const asWhom = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if ("uid" in asWhom) await chown(directory, NOBODY, NOBODY);
  const data = join(directory, "data");
  const options = { cwd: directory, env: { PATH: bin, LC_ALL: "C" }, ...asWhom };
  const made = spawnSync(join(bin, "initdb"), ["-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync"], {
    ...options,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}${made.error?.message ?? ""}`);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", `port=${port}`];
    const server = spawn(join(bin, "postgres"), ["-D", data, ...settings.flatMap((each) => ["-c", each])], {
      ...options,
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (await saysReady(server)) {
      return {
        url: `postgres://test@127.0.0.1:${port}/postgres`,
        async [Symbol.asyncDispose]() {
          const gone = new Promise((resolve) => server.once("exit", resolve));
          server.kill("SIGINT");
          await gone;
          await rm(directory, { recursive: true, force: true });
        },
      };
    }
    // Somebody else took the port in the meantime.
    if (attempt === 5) throw new Error("postgres did not start");
  }
}

function saysReady(server: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    let said = "";
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("ready to accept connections")) resolve(true);
    });
    server.once("exit", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
