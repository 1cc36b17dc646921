import { type Dirent, type FSWatcher, readdirSync, watch } from "node:fs";
import { extname, join, sep } from "node:path";

const SOURCES = new Set([".ts", ".mts", ".js", ".mjs", ".json"]);
const IGNORED = new Set(["node_modules", ".trellis", ".git", "dist", ".cache"]);
/** Editors and git write several files at once. */
const SETTLE_MS = 150;

/**
 * Calls `onChange` after sources below a folder changed and the writing is over.
 *
 * Each folder is watched by itself. On Linux Node's `recursive` watches files one by one and loses a file as soon as another takes
 * its name, which is how most editors save.
 */
export function watchSources(folder: string, onChange: (file: string) => void): Disposable {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;

  const changed = (file: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => onChange(file), SETTLE_MS);
  };
  const close = (path: string): void => {
    for (const [each, watcher] of watchers) {
      if (each !== path && !each.startsWith(path + sep)) continue;
      watcher.close();
      watchers.delete(each);
    }
  };
  /** Watches a folder and those below it; answers the sources that are in them. */
  const open = (path: string): readonly string[] => {
    const entries = entriesOf(join(folder, path));
    if (entries === undefined) return [];
    const watcher = watch(join(folder, path), (event, name) => {
      if (name === null || IGNORED.has(name)) return;
      const file = join(path, name);
      if (isSource(file)) changed(file);
      else if (event === "rename") {
        // A folder came, went, or another has its name now. What it holds was perhaps written before anybody watched.
        close(file);
        const [source] = openAgain(file);
        if (source !== undefined) changed(source);
      }
    });
    watcher.on("error", () => close(path));
    watchers.set(path, watcher);
    return entries
      .filter((entry) => !IGNORED.has(entry.name))
      .flatMap((entry) => {
        const file = join(path, entry.name);
        if (entry.isDirectory()) return open(file);
        return isSource(file) ? [file] : [];
      });
  };

  /** A folder may be gone again before it is watched. */
  const openAgain = (path: string): readonly string[] => {
    try {
      return open(path);
    } catch (error) {
      if (entriesOf(join(folder, path)) !== undefined) throw error;
      return [];
    }
  };

  open("");
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

/** `undefined` when it is no folder, or not there any more. */
function entriesOf(path: string): readonly Dirent[] | undefined {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return undefined;
  }
}

function isSource(file: string): boolean {
  return SOURCES.has(extname(file));
}
