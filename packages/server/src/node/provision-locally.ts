/// <reference types="node" />
import { createNodeSessionKey, nodeCrypto, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import { createClient } from "@trellis/client";
import type { TrellisClient } from "@trellis/client";
import { connectSession } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import type { LocalPlatform } from "@trellis/client/node";
import { defineAgentContract } from "@trellis/contracts";
import { auth } from "@trellis/sdk/auth";

/** What the developer's key does for a service that starts for the first time on a laptop, and nothing else. */
const provisioner = defineAgentContract({}, () => ({
  id: "local-provisioner@v1",
  displayName: "Local provisioning",
  description: "Registers a service with the local platform of its developer.",
  uses: {
    required: {
      auth: auth.use({
        rpc: { call: ["Auth.Deployments.Create", "Auth.Deployments.Get", "Auth.Instances.Provision"] },
      }),
    },
  },
}));

/** Makes the deployment when there is none, and registers the key of this instance with it. */
export async function provisionLocally(options: {
  readonly local: LocalPlatform;
  readonly name: string;
  readonly sessionKey: string;
  readonly tell: (message: string) => void;
  readonly signal?: AbortSignal;
}): Promise<void> {
  const { local, name, sessionKey, tell, signal } = options;
  const session = await connectSession({
    url: local.url,
    key: createNodeSessionKey(),
    enrol: nodeSessionKey(readSeedFile(local.developerKeyFile)),
    contract: provisioner,
    kind: "agent",
    crypto: nodeCrypto,
    connect: nodeConnect,
    transport: "tcp",
    onNotice: tell,
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    const client = createClient({ contract: provisioner, transport: session });
    if (await ensureDeployment(client, name)) {
      tell(
        `Created the deployment ${name} on the local platform; it accepts every contract ${name} presents (mutable-dev).`,
      );
    }
    await client.rpc.auth.instancesProvision({ deployment: name, sessionKey }).orThrow();
    tell(`Registered this instance of ${name} with the local platform.`);
  } finally {
    await session.link.drain();
    await session.close();
  }
}

/** True when it had to be made. */
async function ensureDeployment(client: TrellisClient<typeof provisioner>, name: string): Promise<boolean> {
  const known = await client.rpc.auth.deploymentsGet({ deployment: name });
  if (known.ok) return false;
  const made = await client.rpc.auth.deploymentsCreate({ name, mode: "mutable-dev" });
  if (made.ok) return true;
  // Another instance that started at the same time may have been faster.
  const again = await client.rpc.auth.deploymentsGet({ deployment: name });
  if (again.ok) return false;
  throw made.error;
}
