import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalPlatform, startLocalPlatform } from "@trellis/platform";

/** A folder with a platform of its own running in it; both are gone when it is disposed of. */
export interface LocalFolder extends AsyncDisposable {
  readonly cwd: string;
  readonly platform: LocalPlatform;
}

export async function startInFolder(): Promise<LocalFolder> {
  await using started = new AsyncDisposableStack();
  const cwd = await mkdtemp(join(tmpdir(), "trellis-cli-"));
  started.defer(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
  const platform = started.use(await startLocalPlatform({ directory: join(cwd, ".trellis"), httpPort: 0 }));
  const resources = started.move();
  return { cwd, platform, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
