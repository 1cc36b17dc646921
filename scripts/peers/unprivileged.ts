import { spawnSync } from "node:child_process";
import { chownSync } from "node:fs";

/** Somebody with no rights, for servers that are only compared with, and for PostgreSQL, which refuses to run as root. */
export interface Unprivileged {
  /** The command line that runs another one as that user. */
  as(command: string, args: readonly string[]): readonly [string, ...string[]];
  /** Gives the user a folder. */
  own(directory: string): void;
}

/** The first of the users this machine has; ourselves when we are not root and so have no rights to give away. */
export function unprivileged(...names: readonly string[]): Unprivileged {
  if (process.getuid?.() !== 0) return { as: (command, args) => [command, ...args], own: () => undefined };
  for (const name of names) {
    const [uid, gid] = ["-u", "-g"].map((flag) => idOf(flag, name));
    if (uid === undefined || gid === undefined) continue;
    return {
      as: (command, args) => ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--", command, ...args],
      own: (directory) => chownSync(directory, uid, gid),
    };
  }
  throw new Error(`This machine has none of the users ${names.join(", ")}, and root must not run the server.`);
}

function idOf(flag: string, name: string): number | undefined {
  const { status, stdout } = spawnSync("id", [flag, name], { encoding: "utf8" });
  return status === 0 ? Number(stdout.trim()) : undefined;
}
