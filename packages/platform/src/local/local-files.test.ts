import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { localFiles, readPorts, writePorts } from "./local-files.ts";

test("ports are remembered; a file that is missing or damaged only means any free ones", () => {
  const folder = mkdtempSync(join(tmpdir(), "trellis-files-"));
  try {
    const files = localFiles(folder);
    expect(readPorts(files)).toEqual([]);
    const ports = [{ client: 21_000, monitor: 21_001, websocket: 21_002, cluster: 21_003 }];
    writePorts(files, ports);
    expect(readPorts(files)).toEqual(ports);
    writeFileSync(files.ports, '[{"client":"x","monitor":70000,"cluster":21003},null]');
    expect(readPorts(files)).toEqual([{ cluster: 21_003 }, {}]);
    writeFileSync(files.ports, "{");
    expect(readPorts(files)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
