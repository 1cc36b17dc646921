import { readFileSync } from "node:fs";
import { err, ok, type Result } from "@trellis/result";
import { formatBytes, formatDuration, type Setting } from "./setting.ts";
import { settings } from "./settings.ts";

type Settings = typeof settings;

/** The control plane's configuration, complete: a value for every setting. */
export type Config = { readonly [K in keyof Settings]: Settings[K] extends Setting<infer T> ? T : never };

export interface ConfigInvalid {
  readonly code: "config_invalid";
  readonly message: string;
  readonly problems: readonly string[];
}

export interface ConfigSources {
  readonly env: { readonly [name: string]: string | undefined };
  /** JSON file with the names of `settings`; the environment wins over it. */
  readonly file?: string;
}

/** Reads every setting and reports everything that is wrong at once; nothing starts on half a configuration. */
export function loadConfig(sources: ConfigSources): Result<Config, ConfigInvalid> {
  const problems: string[] = [];
  const file = sources.file === undefined ? {} : readFile(sources.file, problems);
  for (const name of Object.keys(file)) {
    if (!(name in settings)) problems.push(`${sources.file}: there is no setting ${name}${suggestion(name)}`);
  }
  const read = <T>(name: string, setting: Setting<T>): T => {
    const fromEnv = sources.env[setting.env];
    const fromFile = file[name];
    const [where, written] = fromEnv === undefined ? [`${sources.file}: ${name}`, fromFile] : [setting.env, fromEnv];
    if (written === undefined) return setting.default;
    const value = setting.parse(Array.isArray(written) ? written.join(",") : String(written));
    if (value !== undefined) return value;
    problems.push(`${where} is ${setting.secret ? "wrong" : JSON.stringify(written)}: expected ${setting.expects}`);
    return setting.default;
  };
  const config = mapSettings(read);
  if ((config.httpTlsCertFile === undefined) !== (config.httpTlsKeyFile === undefined)) {
    problems.push(
      `${settings.httpTlsCertFile.env} and ${settings.httpTlsKeyFile.env} belong together: give both or neither`,
    );
  }
  if (problems.length === 0) return ok(config);
  const message = `The configuration has ${problems.length} problem${problems.length === 1 ? "" : "s"}:\n${problems
    .map((problem) => `  - ${problem}`)
    .join("\n")}\nEvery setting, its default and its reason: docs/reference/configuration.md`;
  return err({ code: "config_invalid", message, problems });
}

/** A configuration made in code, by tests and `trellis up`. */
export function configWith(values: Partial<Config>): Config {
  return { ...mapSettings((_name, setting) => setting.default), ...values };
}

/** One line per setting for the reference page. */
export function describeSettings(): readonly {
  name: string;
  env: string;
  default: string;
  describe: string;
  reason: string;
}[] {
  return Object.entries(settings).map(([name, setting]) => ({
    name,
    env: setting.env,
    default: describeDefault(name, setting.default),
    describe: setting.describe,
    reason: setting.reason,
  }));
}

function describeDefault(name: string, value: string | number | boolean | readonly string[] | undefined): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return "(none)";
  if (typeof value === "number" && name.endsWith("Ms")) return formatDuration(value);
  if (typeof value === "number" && name.endsWith("Bytes")) return formatBytes(value);
  return Array.isArray(value) ? value.join(",") : String(value);
}

function mapSettings(read: <T>(name: string, setting: Setting<T>) => T): Config {
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings)) values[name] = read<unknown>(name, setting);
  // The names and values are those of `settings`; TypeScript cannot follow a mapped type through Object.entries.
  return values as Config;
}

function readFile(path: string, problems: string[]): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
    problems.push(`${path} must hold one JSON object`);
  } catch (error) {
    problems.push(`${path} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {};
}

function suggestion(name: string): string {
  const near = Object.keys(settings).find(
    (known) => known.toLowerCase() === name.toLowerCase() || known.startsWith(name),
  );
  return near ? `; did you mean ${near}?` : "";
}
