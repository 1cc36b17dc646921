export { auth, ManifestRefused, NotFound, Refused } from "./auth.ts";
export { ContractNotFound, core } from "./core.ts";
export { health } from "./health.ts";
export { jobs } from "./jobs.ts";
