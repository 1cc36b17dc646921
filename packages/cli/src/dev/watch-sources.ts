import { watch } from "node:fs";
import { extname, sep } from "node:path";

const SOURCES = new Set([".ts", ".mts", ".js", ".mjs", ".json"]);
const IGNORED = new Set(["node_modules", ".trellis", ".git", "dist", ".cache"]);
/** Editors and git write several files at once. */
const SETTLE_MS = 150;

/** Calls `onChange` after sources below a folder changed and the writing is over. */
export function watchSources(folder: string, onChange: (file: string) => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(folder, { recursive: true }, (_event, file) => {
    if (file === null || !isSource(file)) return;
    clearTimeout(timer);
    timer = setTimeout(() => onChange(file), SETTLE_MS);
  });
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

export function isSource(file: string): boolean {
  return SOURCES.has(extname(file)) && !file.split(sep).some((part) => IGNORED.has(part));
}
