import { deflateRawSync, gzipSync } from "node:zlib";

/** Archives as releases have them, for tests. */

export function tarGz(path: string, content: Buffer): Buffer {
  return gzipSync(
    Buffer.concat([
      tarEntry(path.replace(/[^/]*$/, "LICENSE"), Buffer.from("text")),
      tarEntry(path, content),
      Buffer.alloc(1024),
    ]),
  );
}

export function zip(path: string, content: Buffer): Buffer {
  const name = Buffer.from(path);
  const packed = deflateRawSync(content);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(8, 8);
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(content.length, 24);
  entry.writeUInt16LE(name.length, 28);
  const directory = local.length + name.length + packed.length;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory, 16);
  return Buffer.concat([local, name, packed, entry, name, end]);
}

function tarEntry(path: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write(content.length.toString(8).padStart(11, "0"), 124);
  header.write("0", 156);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}
