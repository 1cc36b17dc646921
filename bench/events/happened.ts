import { question } from "../rpc/question.ts";
import { KEYS } from "./contracts.ts";

/** The n-th event. */
export function happened(n: number) {
  return { key: `k${n % KEYS}`, question };
}
