import { SeedFileError } from "@trellis/auth/node";
import { findPlatform, LocalPlatformDamaged, NoPlatform, type PlatformAccess } from "@trellis/client/node";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { askHttp, memberOf } from "./ask-http.ts";

/**
 * Where the platform is and as whom to go there. A person at a terminal wants to be told that nobody answers, where a
 * service would wait for ever: so this asks once before anything connects.
 */
export async function reachPlatform(context: CommandContext): Promise<PlatformAccess> {
  const access = findAccess(context);
  const answer = await askHttp(access.url, "/version", context.signal);
  if (answer.ok && memberOf(answer.body, "version") !== undefined) return access;
  throw new CliFailure({
    code: "unreachable",
    what: `no platform answers at ${access.url}`,
    why: [answer.ok ? `what is there answered HTTP ${answer.status} and is no Trellis platform` : answer.problem],
    next: context.env["TRELLIS_URL"]
      ? ["check TRELLIS_URL, and that the platform runs", "trellis doctor looks into it"]
      : ["the local platform of this folder is not running; start it: trellis up"],
    exitCode: EXIT.unreachable,
  });
}

/** The same without asking anybody. */
export function findAccess({ cwd, env }: Pick<CommandContext, "cwd" | "env">): PlatformAccess {
  try {
    return findPlatform({ cwd, env });
  } catch (error) {
    if (error instanceof LocalPlatformDamaged) {
      throw new CliFailure({
        code: "local_platform_damaged",
        what: "the address of the local platform cannot be read",
        why: [error.message],
        next: ["stop that platform, if it runs, and start it again: trellis up"],
        exitCode: EXIT.unreachable,
      });
    }
    if (error instanceof NoPlatform && error.code === "bad_address") {
      throw new CliFailure({
        code: error.code,
        what: "the address of the platform is none",
        why: [error.message],
        next: ["correct TRELLIS_URL, or unset it to use the local platform"],
        exitCode: EXIT.usage,
      });
    }
    if (error instanceof NoPlatform) {
      const isMissing = error.code === "no_platform";
      throw new CliFailure({
        code: error.code,
        what: isMissing ? "there is no platform to talk to" : "there is no key to talk to the platform with",
        why: [error.message],
        next: [
          isMissing
            ? "trellis up"
            : "trellis keys new me.seed, and have it registered: trellis users add-key <name> <public key>",
        ],
        exitCode: isMissing ? EXIT.unreachable : EXIT.refused,
      });
    }
    if (error instanceof SeedFileError) {
      throw new CliFailure({
        code: `key_${error.code}`,
        what: error.message,
        next: ["trellis doctor"],
        exitCode: EXIT.refused,
      });
    }
    throw error;
  }
}
