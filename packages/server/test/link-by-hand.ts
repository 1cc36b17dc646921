import { join } from "node:path";
import { connectLink } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import type { TestPlatform } from "@trellis/testing";
import { newSession } from "./kit.ts";

/** A link in the account of participants that may do everything there: for tests that do by hand what a service does. */
export async function linkByHand(
  { local }: TestPlatform,
  servers: readonly string[] = local.nats.servers,
): Promise<Link> {
  const keys = await loadControlPlaneKeys(join(local.directory, "operator"));
  const authenticator = directAuthenticator(createDirectUser(keys, "TRELLIS", { name: "by hand" }));
  const plan = () => ({ servers: [...servers], authenticator });
  return connectLink({ connect: nodeConnect, inboxPrefix: newSession().inbox, plan });
}
