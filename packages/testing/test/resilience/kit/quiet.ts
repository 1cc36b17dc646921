/** Outages are what these tests make; nobody needs to read of them. */
export const QUIET = { onNotice: () => undefined } as const;
