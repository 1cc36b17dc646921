import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeSettings, loadConfig } from "./load-config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trellis-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("loadConfig", () => {
  it("has a value for every setting when nobody says anything", () => {
    const loaded = loadConfig({ env: {} });
    expect(loaded.ok && loaded.value.httpPort).toBe(3000);
    expect(loaded.ok && loaded.value.permissionsTtlMs).toBe(3_600_000);
  });

  it("lets the environment win over the file", () => {
    const file = join(folder, "trellis.json");
    writeFileSync(file, JSON.stringify({ httpPort: 4000, natsServers: ["a:1", "b:2"], eventsMaxBytes: "2GiB" }));
    const loaded = loadConfig({ env: { TRELLIS_HTTP_PORT: "5000" }, file });
    expect(loaded.ok && loaded.value.httpPort).toBe(5000);
    expect(loaded.ok && loaded.value.natsServers).toEqual(["a:1", "b:2"]);
    expect(loaded.ok && loaded.value.eventsMaxBytes).toBe(2 * 1024 ** 3);
  });

  it("reports everything that is wrong at once, naming the place and what was expected", () => {
    const file = join(folder, "trellis.json");
    writeFileSync(file, JSON.stringify({ htttpPort: 1, planLifeMs: "soon" }));
    const loaded = loadConfig({
      env: { TRELLIS_HTTP_PORT: "99999", TRELLIS_LOCAL: "yes", TRELLIS_HTTP_TLS_KEY_FILE: "k" },
      file,
    });
    expect(loaded.ok).toBe(false);
    if (loaded.ok) return;
    expect(loaded.error.problems).toHaveLength(5);
    expect(loaded.error.message).toContain('TRELLIS_HTTP_PORT is "99999": expected a port');
    expect(loaded.error.message).toContain("there is no setting htttpPort");
    expect(loaded.error.message).toContain("planLifeMs");
    expect(loaded.error.message).toContain("TRELLIS_LOCAL");
    expect(loaded.error.message).toContain("belong together");
  });

  it("says what is wrong with a file that is not JSON", () => {
    const file = join(folder, "trellis.json");
    writeFileSync(file, "{ nope");
    const loaded = loadConfig({ env: {}, file });
    expect(!loaded.ok && loaded.error.message).toContain("cannot be read as JSON");
  });

  it("documents every setting with a default and a reason", () => {
    for (const setting of describeSettings()) {
      expect(setting.reason.length, setting.name).toBeGreaterThan(10);
      expect(setting.env).toMatch(/^TRELLIS_[A-Z_]+$/);
    }
    expect(describeSettings().find(({ name }) => name === "planLifeMs")?.default).toBe("7d");
  });
});
