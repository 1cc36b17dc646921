/** What one look found. */
export interface Finding {
  readonly name: string;
  readonly state: "ok" | "problem" | "skipped";
  readonly detail: string;
  /** What to do about a problem. */
  readonly next?: string;
}
