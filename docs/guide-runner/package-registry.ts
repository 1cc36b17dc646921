import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

/** A registry for npm on this machine. */
export interface PackageRegistry extends AsyncDisposable {
  readonly url: string;
}

interface Packed {
  readonly manifest: { readonly name: string; readonly version: string };
  readonly tarball: Buffer;
  readonly integrity: string;
  /** New for every build, so that npm's cache never takes an older one for it. */
  readonly path: string;
}

/**
 * Serves our packages from what `npm run pack` made and sends npm to the real registry for all others: guides install
 * what a user will install, with the commands a user will type.
 */
export async function startPackageRegistry(packed: string, upstream: string, port = 0): Promise<PackageRegistry> {
  const packages = new Map(readPacked(packed).map((each) => [each.manifest.name, each]));
  const tarballs = new Map([...packages.values()].map((each) => [each.path, each.tarball]));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const tarball = tarballs.get(path);
    const found = packages.get(path.slice(1));
    if (tarball) response.writeHead(200, { "content-type": "application/octet-stream" }).end(tarball);
    else if (found) {
      const body = JSON.stringify(packument(found, `http://${request.headers.host ?? ""}`));
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(body);
    } else response.writeHead(302, { location: new URL((request.url ?? "/").slice(1), upstream).href }).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The package registry has no port.");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readPacked(packed: string): readonly Packed[] {
  const staged = join(packed, "staged");
  if (!existsSync(staged)) throw new Error(`${packed} holds no packages. Make them with: npm run pack`);
  return readdirSync(staged).map((folder) => {
    const manifest: Packed["manifest"] = JSON.parse(readFileSync(join(staged, folder, "package.json"), "utf8"));
    const file = `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`;
    const tarball = readFileSync(join(packed, file));
    const hash = createHash("sha512").update(tarball);
    const path = `/-/packed/${createHash("sha256").update(tarball).digest("hex").slice(0, 16)}/${file}`;
    return { manifest, tarball, path, integrity: `sha512-${hash.digest("base64")}` };
  });
}

function packument({ manifest, integrity, path }: Packed, host: string): object {
  const version = { ...manifest, dist: { tarball: `${host}${path}`, integrity } };
  return { name: manifest.name, "dist-tags": { latest: manifest.version }, versions: { [manifest.version]: version } };
}
