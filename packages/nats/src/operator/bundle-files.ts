import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isRecord } from "../keys/jwt.ts";
import {
  createOperatorBundle,
  type ControlPlaneKeys,
  type OperatorBundle,
  type OperatorKey,
  type ServerTrust,
} from "./bundle.ts";
import { perAccount } from "./per-account.ts";
import { type UpgradedBundle, upgradeBundle } from "./upgrade-bundle.ts";

/** The bundle on disk: one file per part, so that each machine can be given only what it needs. Directory 0700, files 0600. */

export const BUNDLE_FILES = {
  operator: "operator.json",
  server: "server.json",
  controlPlane: "control-plane.json",
} as const;

export class BundleError extends Error {
  override readonly name = "BundleError";
}

/** The bundle in `directory`, made now if there is none. Two processes that do this at once end with the same one. */
export async function openOperatorBundle(directory: string): Promise<OperatorBundle> {
  const found = await loadOperatorBundle(directory);
  if (found !== undefined) return found;
  try {
    return await saveOperatorBundle(directory, createOperatorBundle());
  } catch (error) {
    const winner = await loadOperatorBundle(directory);
    if (winner !== undefined) return winner;
    throw error;
  }
}

/** Writes a new bundle; refuses a directory that has anything in it, because keys in use cannot be had again. */
export async function saveOperatorBundle(directory: string, bundle: OperatorBundle): Promise<OperatorBundle> {
  const draft = `${directory}.${randomBytes(6).toString("hex")}.tmp`;
  await mkdir(dirname(directory), { recursive: true });
  await mkdir(draft, { mode: 0o700 });
  try {
    for (const part of ["operator", "server", "controlPlane"] as const) {
      await writeFile(join(draft, BUNDLE_FILES[part]), textOf(bundle[part]), { mode: 0o600 });
    }
    await chmod(draft, 0o700);
    await rename(draft, directory);
    return bundle;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Brings the accounts of a bundle on disk up to this version; answers which were issued anew. Servers take them when they
 * start. Needs the operator's key, and says so when that is kept elsewhere.
 */
export async function upgradeOperatorBundle(directory: string): Promise<UpgradedBundle["changed"]> {
  const bundle = await loadOperatorBundle(directory);
  if (bundle === undefined) throw new BundleError(`${directory} holds no keys.`);
  const upgraded = upgradeBundle(bundle);
  if (upgraded.bundle === bundle) return upgraded.changed;
  const path = join(directory, BUNDLE_FILES.server);
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(draft, textOf(upgraded.bundle.server), { mode: 0o600 });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return upgraded.changed;
}

/** `undefined` when there is none; throws `BundleError` when part of one is missing or damaged. */
export async function loadOperatorBundle(directory: string): Promise<OperatorBundle | undefined> {
  const [operator, server, controlPlane] = await Promise.all([
    readPart(directory, "operator"),
    readPart(directory, "server"),
    readPart(directory, "controlPlane"),
  ]);
  if (operator === undefined && server === undefined && controlPlane === undefined) return undefined;
  return {
    operator: readOperator(required(operator, directory, "operator")),
    server: readServer(required(server, directory, "server")),
    controlPlane: readControlPlane(required(controlPlane, directory, "controlPlane")),
  };
}

/** Only what a control plane needs, from a directory that need not hold the rest. */
export async function loadControlPlaneKeys(directory: string): Promise<ControlPlaneKeys> {
  return readControlPlane(required(await readPart(directory, "controlPlane"), directory, "controlPlane"));
}

/** Only what a nats-server needs, from a directory that need not hold the rest. */
export async function loadServerTrust(directory: string): Promise<ServerTrust> {
  return readServer(required(await readPart(directory, "server"), directory, "server"));
}

function textOf(part: object): string {
  return `${JSON.stringify({ format: FORMAT, ...part }, null, 2)}\n`;
}

const FORMAT = "trellis.nats.keys.v1";

interface Part {
  readonly path: string;
  readonly members: { readonly [name: string]: unknown };
}

async function readPart(directory: string, part: keyof typeof BUNDLE_FILES): Promise<Part | undefined> {
  const path = join(directory, BUNDLE_FILES[part]);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let members: unknown;
  try {
    members = JSON.parse(text);
  } catch {
    throw new BundleError(`${path} is not JSON. Restore it from a backup: keys cannot be made again.`);
  }
  if (!isRecord(members) || members.format !== FORMAT) throw new BundleError(`${path} is not a file of ${FORMAT}.`);
  return { path, members };
}

function required(part: Part | undefined, directory: string, name: keyof typeof BUNDLE_FILES): Part {
  if (part !== undefined) return part;
  throw new BundleError(
    `${join(directory, BUNDLE_FILES[name])} is missing. Restore it from a backup: keys cannot be made again.`,
  );
}

function readOperator(part: Part): OperatorKey {
  return { publicKey: text(part, "publicKey"), seed: text(part, "seed") };
}

function readServer(part: Part): ServerTrust {
  const { accountsVersion } = part.members;
  return {
    operatorJwt: text(part, "operatorJwt"),
    ...(typeof accountsVersion === "number" ? { accountsVersion } : {}),
    accounts: perAccount((name) => ({
      id: text(part, "accounts", name, "id"),
      jwt: text(part, "accounts", name, "jwt"),
    })),
    sentinelJwt: text(part, "sentinelJwt"),
    clusterSecret: text(part, "clusterSecret"),
  };
}

function readControlPlane(part: Part): ControlPlaneKeys {
  return {
    accounts: perAccount((name) => ({
      id: text(part, "accounts", name, "id"),
      signingSeed: text(part, "accounts", name, "signingSeed"),
    })),
    xkeySeed: text(part, "xkeySeed"),
    calloutUserSeed: text(part, "calloutUserSeed"),
  };
}

function text(part: Part, ...path: readonly string[]): string {
  let value: unknown = part.members;
  for (const name of path) value = isRecord(value) ? value[name] : undefined;
  if (typeof value === "string" && value !== "") return value;
  throw new BundleError(
    `${part.path} has no text at "${path.join(".")}". Restore it from a backup: keys cannot be made again.`,
  );
}
