/**
 * Baseline uses: the platform surfaces every participant of a kind may use without asking. They are part of its
 * manifest and digest like any other use. Names only: this package cannot know the platform's contracts.
 */
import type { ContractKind, UseSelection } from "./manifest.ts";

/** One platform contract a kind of participant always uses. */
export interface BaselineUse {
  /** The alias, where the author has not taken it. */
  readonly alias: string;
  /** The alias when the author has taken the first for something else. */
  readonly fallbackAlias: string;
  readonly selection: UseSelection;
}

/** Contracts with this prefix are the platform's own and get no baseline uses. */
export const PLATFORM_PREFIX = "trellis.";

const VALIDATE: BaselineUse = {
  alias: "auth",
  fallbackAlias: "trellisAuth",
  selection: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Requests.Validate"] } },
};

const HEARTBEAT: BaselineUse = {
  alias: "health",
  fallbackAlias: "trellisHealth",
  selection: { contract: "trellis.health@v1", events: { publish: ["Health.Heartbeat"] } },
};

const OWN_SESSION: BaselineUse = {
  alias: "auth",
  fallbackAlias: "trellisAuth",
  selection: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Sessions.Logout", "Auth.Sessions.Me"] } },
};

const SURFACE_STATUS: BaselineUse = {
  alias: "core",
  fallbackAlias: "trellisCore",
  selection: { contract: "trellis.core@v1", rpc: { call: ["Trellis.Surface.Status"] } },
};

/** Where the state of users and devices is kept. Services keep what is theirs in buckets and cannot use it. */
export const STATE_CONTRACT = "trellis.state@v1";

const STATE: BaselineUse = {
  alias: "state",
  fallbackAlias: "trellisState",
  selection: {
    contract: STATE_CONTRACT,
    rpc: { call: ["State.Delete", "State.Get", "State.List", "State.Put"] },
    feeds: { subscribe: ["State.Watch"] },
  },
};

/** What a participant of this kind uses without asking; nothing for the platform's own contracts. */
export function baselineUses(
  kind: ContractKind,
  id = "",
  declares: { readonly state?: boolean } = {},
): readonly BaselineUse[] {
  if (id.startsWith(PLATFORM_PREFIX)) return [];
  if (kind === "service") return [VALIDATE, HEARTBEAT];
  return declares.state === true ? [OWN_SESSION, SURFACE_STATUS, STATE] : [OWN_SESSION, SURFACE_STATUS];
}
