import { MsgHdrsImpl } from "@nats-io/nats-core";

const VERSION = "NATS/1.0";
const decoder = new TextDecoder();

/**
 * Reads the headers of a message, more than twice as quick as nats.js, which treats each as one to be written: looks for
 * others of its name and makes its canonical form. What nats.js refuses by throwing is left out here instead: thrown
 * while a connection is read, it ends the reading, and any stranger can send it. `undefined` when these are no headers.
 */
export function readHeaders(bytes: Uint8Array): MsgHdrsImpl | undefined {
  const text = decoder.decode(bytes);
  if (!text.startsWith(VERSION)) return undefined;
  let end = endOfLine(text, 0);
  const headers = end === VERSION.length ? new MsgHdrsImpl() : statusOf(text.slice(VERSION.length, end).trim());
  for (let at = end + 2; at < text.length; at = end + 2) {
    end = endOfLine(text, at);
    const colon = endOfName(text, at, end);
    if (colon < 0) continue;
    const value = text.slice(colon + 1, end).trim();
    // Half the end of a line.
    if (value.includes("\r") || value.includes("\n")) continue;
    const name = text.slice(at, colon);
    const values = headers.headers.get(name);
    if (values === undefined) headers.headers.set(name, [value]);
    else values.push(value);
  }
  return headers;
}

/** Every value of one header, in order: what `readHeaders` has under that name. */
export function valuesOf(text: string, name: string): string[] {
  const values: string[] = [];
  if (!text.startsWith(VERSION)) return values;
  for (let at = endOfLine(text, 0) + 2, end = at; at < text.length; at = end + 2) {
    end = endOfLine(text, at);
    if (!text.startsWith(name, at) || text.charCodeAt(at + name.length) !== COLON) continue;
    const value = text.slice(at + name.length + 1, end).trim();
    if (!value.includes("\r") && !value.includes("\n")) values.push(value);
  }
  return values;
}

/**
 * Lets nats.js itself read headers this way, in the whole process: for a program that is not on a link alone and reads
 * with nats.js what strangers have stored.
 */
export function readHeadersEverywhere(): void {
  MsgHdrsImpl.decode = (bytes) => readHeaders(bytes) ?? new MsgHdrsImpl();
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\r\n", from);
  return end < 0 ? text.length : end;
}

/** Where the colon after a name is; -1 when there is none or what is before it is no name: the server takes anything. */
function endOfName(text: string, from: number, to: number): number {
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code === COLON) return at;
    if (code <= SPACE || code >= DELETE) return -1;
  }
  return -1;
}

const COLON = 0x3a;
const SPACE = 0x20;
const DELETE = 0x7f;

/** `404 No Messages`, as answers of the server begin. */
function statusOf(text: string): MsgHdrsImpl {
  const code = Number.parseInt(text, 10);
  if (Number.isNaN(code)) return new MsgHdrsImpl(0, text);
  return new MsgHdrsImpl(code, text.replace(String(code), "").trim());
}
