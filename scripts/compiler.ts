/**
 * The TypeScript compiler of this repository: 7, which needs a third of the time of 6. Named by its path, because both are
 * installed under the command `tsc`: knip and editors still need 6 and its API.
 */
export const COMPILER: readonly string[] = ["node", "node_modules/typescript7/bin/tsc"];
