export { auth, ManifestRefused, NotFound, Refused } from "./auth.ts";
export { ContractNotFound, core } from "./core.ts";
export { health } from "./health.ts";
export { jobs } from "./jobs.ts";
export { resources } from "./resources.ts";
export { PIECE_BYTES, SHOWN_VALUE_BYTES } from "./resource-schemas.ts";
export { state, StateConflict, StateUnreadable } from "./state.ts";
