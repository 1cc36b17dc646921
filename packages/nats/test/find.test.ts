import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { extractFile } from "../src/binary/archive.ts";
import { findNatsServer, NatsServerNotFound, PINNED_VERSION, type FindOptions } from "../src/index.ts";
import { tarGz, zip } from "./archive-samples.ts";

let directory: string;
let files: Map<string, Buffer>;
let web: Server;
let releases: string;

const TARGET = "linux-amd64";
const ARCHIVE = `nats-server-v${PINNED_VERSION}-${TARGET}.tar.gz`;
const MACHINE = { platform: "linux", arch: "x64" };

/** Runs anywhere with a shell and says it is a nats-server. */
const program = (version: string): Buffer => Buffer.from(`#!/bin/sh\necho "nats-server: v${version}"\n`);
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const archiveOf = (version = PINNED_VERSION): Buffer =>
  tarGz(`nats-server-v${PINNED_VERSION}-${TARGET}/nats-server`, program(version));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "trellis-find-test-"));
  files = new Map();
  web = createServer((request, response) => {
    const body = files.get(request.url ?? "");
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const address = web.address();
  releases = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});

afterEach(async () => {
  web.closeAllConnections();
  web.close();
  await rm(directory, { recursive: true, force: true });
});

const publish = (name: string, body: Buffer | string): void =>
  void files.set(`/v${PINNED_VERSION}/${name}`, Buffer.from(body));

function find(options: FindOptions = {}, env: NodeJS.ProcessEnv = {}) {
  return findNatsServer({
    env: { PATH: join(directory, "bin"), ...env },
    cache: join(directory, "cache"),
    releases,
    machine: MACHINE,
    ...options,
  });
}

async function install(folder: string, name: string, content: Buffer): Promise<string> {
  await mkdir(join(directory, folder), { recursive: true });
  const path = join(directory, folder, name);
  await writeFile(path, content);
  await chmod(path, 0o755);
  return path;
}

/** Every file below the cache. */
async function cached(): Promise<readonly string[]> {
  const entries = await readdir(join(directory, "cache"), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

it("takes the one the environment names before any other, and no other when that one does not run", async () => {
  await install("bin", "nats-server", program("2.15.0"));
  const path = await install("mine", "server", program("2.12.3"));
  expect(await find({}, { TRELLIS_NATS_SERVER: path })).toEqual({ path, version: "2.12.3", source: "environment" });
  const gone = find({}, { TRELLIS_NATS_SERVER: join(directory, "gone") });
  await expect(gone).rejects.toThrow(/TRELLIS_NATS_SERVER names .*gone, which is not a nats-server/);
  const old = await install("mine", "old", program("2.10.27"));
  await expect(find({}, { TRELLIS_NATS_SERVER: old })).rejects.toThrow(/2\.10\.27; Trellis needs 2\.12\.0 or newer/);
});

it("takes one on PATH if it is recent enough", async () => {
  const old = await install("bin", "nats-server", program("2.11.9"));
  publish(ARCHIVE, archiveOf());
  expect((await find({ checksums: { [TARGET]: sha256(archiveOf()) } })).source).toBe("release");
  const recent = await install("newer", "nats-server", program("2.12.0"));
  const env = { PATH: [join(old, ".."), join(recent, "..")].join(delimiter) };
  expect(await find({}, env)).toEqual({ path: recent, version: "2.12.0", source: "path" });
});

it("downloads once, verified by the sums it has, then uses its cache", async () => {
  publish(ARCHIVE, archiveOf());
  const checksums = { [TARGET]: sha256(archiveOf()) };
  const progress: string[] = [];
  const first = await find({ checksums, onProgress: (text) => progress.push(text) });
  expect(first).toMatchObject({ version: PINNED_VERSION, source: "release" });
  expect(progress[0]).toMatch(/^downloading nats-server/);
  files.clear();
  expect(await find({ checksums })).toEqual({ ...first, source: "cache" });
  expect(await cached()).toEqual(["nats-server"]);
});

it("falls back to the release's own SHA256SUMS where it has no sum", async () => {
  publish(ARCHIVE, archiveOf());
  publish("SHA256SUMS", `${"0".repeat(64)}  other.zip\n${sha256(archiveOf())}  ${ARCHIVE}\n`);
  expect((await find({ checksums: {} })).source).toBe("release");
});

it("refuses a tampered archive, and leaves nothing behind", async () => {
  publish(ARCHIVE, archiveOf());
  // Whoever can change the archive can change the sums beside it: those kept in the repository count.
  publish("SHA256SUMS", `${sha256(archiveOf())}  ${ARCHIVE}\n`);
  await expect(find()).rejects.toThrow(/was refused: its SHA-256 is/);
  expect(await cached()).toEqual([]);
});

it("refuses an archive that ends early, holds no server, or one of another version", async () => {
  const cut = archiveOf().subarray(0, 100);
  for (const bad of [
    cut,
    tarGz("x/README", Buffer.from("x")),
    archiveOf("2.99.0"),
    Buffer.from("<html>a proxy's page</html>"),
  ]) {
    publish(ARCHIVE, bad);
    await expect(find({ checksums: { [TARGET]: sha256(bad) } })).rejects.toThrow(NatsServerNotFound);
    expect(await cached()).toEqual([]);
  }
});

it("compiles with Go when the download fails, and cleans up when that fails too", async () => {
  await install(
    "bin",
    "go",
    Buffer.from(`#!/bin/sh
[ "$1 $3 $CGO_ENABLED" = "install github.com/nats-io/nats-server/v2@v${PINNED_VERSION} 0" ] || { echo "called with $*" >&2; exit 1; }
printf '#!/bin/sh\\necho "nats-server: v${PINNED_VERSION}"\\n' > "$GOBIN/nats-server"
`),
  );
  // The fake toolchain is a shell script that needs nothing from PATH.
  expect((await find()).source).toBe("go");
  await rm(join(directory, "cache"), { recursive: true });
  await install("bin", "go", Buffer.from('#!/bin/sh\necho "no route to proxy" >&2\nexit 1\n'));
  await expect(find()).rejects.toThrow(/compile: go install failed: no route to proxy/);
  expect(await cached()).toEqual([]);
});

it("says what was tried and what to do, in one message", async () => {
  const error: unknown = await find().catch((problem: unknown) => problem);
  expect(error).toBeInstanceOf(NatsServerNotFound);
  expect(String(error)).toMatch(
    /PATH has no nats-server[^]*answered 404[^]*no Go toolchain[^]*Do one of these[^]*TRELLIS_NATS_SERVER/,
  );
});

it("gives up on a server that accepts connections and says nothing", async () => {
  const silent = createTcpServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  const port = typeof address === "object" ? address?.port : 0;
  await expect(find({ releases: `http://127.0.0.1:${port}` })).rejects.toThrow(/did not answer in time/);
  silent.close();
}, 60_000);

it("reads zip as well as tar", () => {
  const content = Buffer.from("program ".repeat(1_000));
  expect(extractFile(zip("nats-server-v1-windows-amd64/nats-server.exe", content), "nats-server.exe")).toEqual(content);
  expect(extractFile(tarGz("a/nats-server", content), "nats-server")).toEqual(content);
  expect(extractFile(tarGz("a/nats-server", content), "server")).toBeUndefined();
});
