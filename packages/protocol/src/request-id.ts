import { isTokenText, randomToken } from "./random-token.ts";

/** Characters of the nonce in a request id: 132 random bits, new for every run of a participant. */
export const REQUEST_NONCE_CHARACTERS = 22;

/** `<connection nonce>.<counter>`: the counter makes remembering ids cheap, the nonce makes them unique. */
export interface RequestId {
  readonly nonce: string;
  readonly counter: number;
}

/** Counts requests under one nonce. Two sources never produce the same id. */
export function requestIds(nonce: string = randomToken(REQUEST_NONCE_CHARACTERS)): { next(): string } {
  let counter = 0;
  return {
    next() {
      counter += 1;
      return `${nonce}.${counter}`;
    },
  };
}

const COUNTER = /^(?:0|[1-9][0-9]{0,15})$/;

/** The parts of a request id, or `undefined` for any other text: every id has one spelling. */
export function parseRequestId(text: string): RequestId | undefined {
  if (!isTokenText(text, 0, REQUEST_NONCE_CHARACTERS) || text[REQUEST_NONCE_CHARACTERS] !== ".") return undefined;
  const digits = text.slice(REQUEST_NONCE_CHARACTERS + 1);
  if (!COUNTER.test(digits)) return undefined;
  const counter = Number(digits);
  if (!Number.isSafeInteger(counter)) return undefined;
  return { nonce: text.slice(0, REQUEST_NONCE_CHARACTERS), counter };
}
