// Opens connections through the auth callout: node connecting-process.ts <url> <user key file> <folder of service keys>
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { bootstrap, connectAuthenticator, ServerClock, type SessionKey } from "@trellis/auth";
import { createNodeSessionKey, nodeCrypto, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import type { AnyContract } from "@trellis/contracts";
import { answerParent } from "../answer-parent.ts";
import { benchService } from "../rpc/contracts.ts";
import { visitor } from "./visitor.ts";

const [, , url = "", userKeyFile = "", serviceKeys = ""] = process.argv;
const AGENTS = 10;

type Open = () => Promise<{ close(): Promise<void> }>;

const clock = new ServerClock();
const user = nodeSessionKey(readSeedFile(userKeyFile));
const participants: Open[] = [];
for (let count = 0; count < AGENTS; count += 1)
  participants.push(await enter(visitor, "agent", createNodeSessionKey()));
for (const file of readdirSync(serviceKeys)) {
  participants.push(await enter(benchService, "service", nodeSessionKey(readSeedFile(join(serviceKeys, file)))));
}

let turn = 0;
answerParent(async () => {
  const open = participants[(turn += 1) % participants.length];
  if (open === undefined) throw new Error("there is nobody to connect as");
  const connection = await open();
  // Closing is not what is measured.
  void connection.close();
});

/** Becomes known to the platform; from then on each connection is one question to the callout. */
async function enter(contract: AnyContract, kind: "agent" | "service", key: SessionKey): Promise<Open> {
  const facts = await bootstrap({
    url,
    key,
    contract,
    kind,
    clock,
    sha256: nodeCrypto.sha256,
    signal: AbortSignal.timeout(20_000),
    ...(kind === "agent" ? { enrol: user } : {}),
  });
  if (!facts.ok) throw new Error(facts.error.message);
  const authenticator = connectAuthenticator({
    key,
    contractDigest: contract.digest,
    clock,
    sha256: nodeCrypto.sha256,
  });
  const servers = [...facts.value.nats.servers];
  return () => connect({ servers, authenticator, reconnect: false, timeout: 10_000 });
}
