import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { TrellisClient } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import type { TestPlatform } from "../../../src/index.ts";

/** A user of a platform, to be given groups and to have them taken away. */
export interface Person {
  readonly id: string;
  connect<const C extends AnyContract>(contract: C): Promise<TrellisClient<C>>;
}

/** Makes a user with a key of its own. */
export async function makePerson(platform: TestPlatform, name: string, groups: readonly string[]): Promise<Person> {
  const user = await platform.admin.rpc.auth.usersCreate({ name, groups: [...groups] }).orThrow();
  const userKeyFile = join(platform.local.directory, `${name}.seed`);
  const { seed } = loadOrCreateSeedFile(userKeyFile);
  await platform.admin.rpc.auth.usersAddKey({ user: user.id, key: nodeSessionKey(seed).publicKey }).orThrow();
  return {
    id: user.id,
    connect: (contract) =>
      TrellisClient.connect({ contract, url: platform.url, userKeyFile, env: {}, onNotice: () => undefined }),
  };
}
