/** The value, or a failed test: for what a test knows to be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("What the test relies on is not there.");
  return value;
}
