import { gunzipSync, inflateRawSync } from "node:zlib";

/** Takes one file out of a release archive: tar with gzip, or zip. Only what those archives use is understood. */

/** A server is about 25 MB; an archive that unpacks to more than this is not one. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** The file whose path ends in `/name`; `undefined` when the archive has none. Throws when it is not an archive. */
export function extractFile(archive: Uint8Array, name: string): Uint8Array | undefined {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  if (bytes.readUInt16BE(0) === GZIP_MAGIC) {
    return findInTar(gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES }), name);
  }
  if (bytes.readUInt32LE(0) === ZIP_LOCAL) return findInZip(bytes, name);
  throw new Error("it is neither a gzip nor a zip archive");
}

const GZIP_MAGIC = 0x1f8b;
const TAR_BLOCK = 512;
const ZIP_LOCAL = 0x04034b50;
const ZIP_ENTRY = 0x02014b50;
const ZIP_END = 0x06054b50;

function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`/${name}`);
}

function findInTar(tar: Buffer, name: string): Buffer | undefined {
  for (let at = 0; at + TAR_BLOCK <= tar.length;) {
    const path = tarText(tar, at, 100);
    if (path === "") return undefined;
    const size = Number.parseInt(tarText(tar, at + 124, 12), 8);
    const kind = tar[at + 156];
    const isFile = kind === 0 || kind === "0".charCodeAt(0);
    const start = at + TAR_BLOCK;
    if (!Number.isInteger(size) || start + size > tar.length) throw new Error("the tar archive is cut short");
    if (isFile && isNamed(path, name)) return tar.subarray(start, start + size);
    at = start + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return undefined;
}

function tarText(tar: Buffer, at: number, length: number): string {
  const field = tar.subarray(at, at + length);
  const end = field.indexOf(0);
  return field
    .subarray(0, end === -1 ? length : end)
    .toString("utf8")
    .trim();
}

/** The directory at the end of a zip is what counts; local headers may leave sizes out. */
function findInZip(zip: Buffer, name: string): Buffer | undefined {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end === -1 || zip.readUInt32LE(end) !== ZIP_END) throw new Error("the zip archive is cut short");
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(at) !== ZIP_ENTRY) throw new Error("the zip archive is damaged");
    const nameLength = zip.readUInt16LE(at + 28);
    if (isNamed(zip.toString("utf8", at + 46, at + 46 + nameLength), name)) return readZipEntry(zip, at);
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return undefined;
}

function readZipEntry(zip: Buffer, entry: number): Buffer {
  const method = zip.readUInt16LE(entry + 10);
  const local = zip.readUInt32LE(entry + 42);
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const packed = zip.subarray(start, start + zip.readUInt32LE(entry + 20));
  if (method === 0) return packed;
  if (method === 8) return inflateRawSync(packed, { maxOutputLength: MAX_FILE_BYTES });
  throw new Error(`the zip archive is packed in a way we do not read (method ${method})`);
}
