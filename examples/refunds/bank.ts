/** Stands for a bank that is sometimes away, and that does nothing twice for one key. */
const paid = new Map<string, string>();
let calls = 0;

export function pay(order: string, cents: number, key: string): string {
  calls += 1;
  if (calls === 1) throw new Error("the bank does not answer");
  const receipt = paid.get(key) ?? `${order}-${cents}`;
  paid.set(key, receipt);
  return receipt;
}
