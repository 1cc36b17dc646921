import { randomByte } from "./random-token.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;

/** A fresh ULID: 48 bits of time, then 80 random bits; it names an event, and JetStream drops a second one like it. */
export function newEventId(nowMs: number): string {
  let time = "";
  for (let left = Math.floor(nowMs), at = 0; at < TIME_CHARACTERS; at += 1) {
    time = ALPHABET.charAt(left % 32) + time;
    left = Math.floor(left / 32);
  }
  let random = "";
  for (let at = 0; at < RANDOM_CHARACTERS; at += 1) random += ALPHABET.charAt(randomByte() & 31);
  return time + random;
}
