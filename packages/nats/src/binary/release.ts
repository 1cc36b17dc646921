/** Which nats-server we run, and which archive of the official release holds it. */

/** The one we fetch when none is found. */
export const PINNED_VERSION = "2.14.5";

/** The oldest one found on a machine that will do: 2.12 brought atomic batches, which the registry needs. */
export const OLDEST_VERSION = "2.12.0";

export interface Machine {
  /** As Node names them: `process.platform`, `process.arch`. */
  readonly platform: string;
  readonly arch: string;
}

/** The archive for this machine as the release names it, such as `linux-amd64`; `undefined` when there is none. */
export function releaseTarget({ platform, arch }: Machine): string | undefined {
  const system = SYSTEMS[platform];
  const cpu = CPUS[arch];
  return system === undefined || cpu === undefined ? undefined : `${system}-${cpu}`;
}

export function archiveName(version: string, target: string): string {
  return `nats-server-v${version}-${target}.${target.startsWith("windows-") ? "zip" : "tar.gz"}`;
}

export function programName(platform: string): string {
  return platform === "win32" ? "nats-server.exe" : "nats-server";
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)];
  for (let part = 0; part < 3; part++) {
    const difference = (left[part] ?? 0) - (right[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const SYSTEMS: { readonly [platform: string]: string } = {
  linux: "linux",
  darwin: "darwin",
  win32: "windows",
  freebsd: "freebsd",
};

const CPUS: { readonly [arch: string]: string } = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm7",
  ia32: "386",
  s390x: "s390x",
  ppc64: "ppc64le",
  riscv64: "riscv64",
};

function numbers(version: string): readonly number[] {
  return version.split("-", 1).join("").split(".").map(Number);
}
