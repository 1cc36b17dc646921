import { createHash } from "node:crypto";
import { extractFile } from "./archive.ts";
import { findChecksum, type Checksums } from "./checksums.ts";
import { archiveName } from "./release.ts";

/** The program out of the official release archive, in memory: until the checksum holds nothing touches the disk. */

export interface DownloadOptions {
  /** Folder of releases, such as `https://github.com/nats-io/nats-server/releases/download`. */
  readonly releases: string;
  readonly version: string;
  readonly target: string;
  readonly program: string;
  readonly checksums: Checksums;
  readonly onProgress: (text: string) => void;
}

export async function downloadServer(options: DownloadOptions): Promise<Uint8Array> {
  const { releases, version, target, onProgress } = options;
  const folder = `${releases.replace(/\/+$/, "")}/v${version}`;
  const file = archiveName(version, target);
  onProgress(`downloading nats-server ${version} from ${folder}/${file}`);

  const expected =
    options.checksums[target] ?? findChecksum((await fetchBytes(`${folder}/SHA256SUMS`)).toString(), file);
  if (expected === undefined) throw new Error(`SHA256SUMS of the release does not list ${file}`);
  const archive = await fetchBytes(`${folder}/${file}`);
  const actual = createHash("sha256").update(archive).digest("hex");
  if (actual !== expected) {
    throw new Error(`${file} was refused: its SHA-256 is ${actual} and must be ${expected}`);
  }
  const program = extractFile(archive, options.program);
  if (program === undefined) throw new Error(`${file} holds no ${options.program}`);
  return program;
}

/** Where downloads are blocked, packets often just vanish: give up early, there are other ways. */
const FIRST_BYTE_TIMEOUT_MS = 6_000;
/** After that, a connection that is silent this long is dead. */
const SILENCE_TIMEOUT_MS = 15_000;
const MAX_ARCHIVE_BYTES = 128 * 1024 * 1024;

async function fetchBytes(url: string): Promise<Buffer> {
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(new Error(`${new URL(url).host} did not answer in time`));
  let timer = setTimeout(giveUp, FIRST_BYTE_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENCE_TIMEOUT_MS);
      length += chunk.length;
      if (length > MAX_ARCHIVE_BYTES) throw new Error(`${url} is larger than any release archive`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw new Error(reason(error), { cause: error });
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

/** `fetch` hides what happened in the cause of a cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "fetch failed" && error.cause !== undefined ? reason(error.cause) : error.message;
}
