import { execFile } from "node:child_process";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { type Manifest, parseManifest } from "@trellis/contracts";

/** A contract as it is on disk now, or what is wrong with it. */
export type FreshContract =
  { readonly ok: true; readonly manifest: Manifest } | { readonly ok: false; readonly problem: string };

/** Reads a contract in a process of its own: Node keeps modules, and what a contract imports changes too. */
export async function readAnew(path: string, cwd: string): Promise<FreshContract> {
  const bin = join(import.meta.dirname, "..", `bin${extname(import.meta.filename)}`);
  const text = await promisify(execFile)(process.execPath, [bin, "contract", "canonical", path], {
    cwd,
    maxBuffer: 8 * 1024 * 1024,
  }).then(
    ({ stdout }) => ({ ok: true as const, stdout }),
    (error: unknown) => ({ ok: false as const, problem: stderrOf(error) }),
  );
  if (!text.ok) return text;
  const parsed = parseManifest(text.stdout);
  return parsed.ok ? { ok: true, manifest: parsed.value.manifest } : { ok: false, problem: parsed.error.message };
}

function stderrOf(error: unknown): string {
  if (error instanceof Error && "stderr" in error && String(error.stderr).trim() !== "")
    return String(error.stderr).trim();
  return error instanceof Error ? error.message : String(error);
}
