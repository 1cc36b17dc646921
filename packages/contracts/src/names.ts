/**
 * Names and how they map to each other. A logical name such as `Trellis.Surface.Status` is what people read and
 * what subjects carry; code sees it as a group and a leaf: `rpc.trellis.surfaceStatus`.
 */

/** Where a surface sits in code. */
export interface SurfacePath {
  readonly group: string;
  readonly leaf: string;
}

/** `Trellis.Surface.Status` → `trellis` in the type system. */
export type SurfaceGroup<N extends string> = N extends `${infer First}.${string}`
  ? Uncapitalize<First>
  : Uncapitalize<N>;

/** `Trellis.Surface.Status` → `surfaceStatus` in the type system. */
export type SurfaceLeaf<N extends string> = N extends `${string}.${infer Rest}`
  ? Uncapitalize<JoinSegments<Rest>>
  : Uncapitalize<N>;

type JoinSegments<N extends string> = N extends `${infer First}.${infer Rest}`
  ? `${Capitalize<First>}${JoinSegments<Rest>}`
  : Capitalize<N>;

/** `Trellis.Surface.Status` → `{ group: "trellis", leaf: "surfaceStatus" }`; a name of one segment is both. */
export function surfacePath(name: string): SurfacePath {
  const [first = "", ...rest] = name.split(".");
  const group = uncapitalize(first);
  return { group, leaf: rest.length === 0 ? group : uncapitalize(rest.map(capitalize).join("")) };
}

/** The name of a contract without its version: `orders@v1` → `orders`. */
export function contractName(id: string): string {
  const at = id.lastIndexOf("@");
  return at < 0 ? id : id.slice(0, at);
}

/** The version of a contract id: `orders@v1` → `v1`. */
export function contractVersion(id: string): string {
  const at = id.lastIndexOf("@");
  return at < 0 ? "" : id.slice(at + 1);
}

/** Separates the contract's name from the local name in a global capability key. */
export const CAPABILITY_SEPARATOR = "::";

/** The two capabilities no contract declares and every contract may require. */
export const RESERVED_CAPABILITIES: readonly string[] = ["service", "admin"];

/** `("orders@v1", "read")` → `orders::read`; keys that are global already, and reserved ones, stay as they are. */
export function capabilityKey(contractId: string, local: string): string {
  if (local.includes(CAPABILITY_SEPARATOR) || RESERVED_CAPABILITIES.includes(local)) return local;
  return `${contractName(contractId)}${CAPABILITY_SEPARATOR}${local}`;
}

const CONTRACT_ID = /^[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*)*@v(?:0|[1-9][0-9]{0,5})$/;
const VERSION = /^v(?:0|[1-9][0-9]{0,5})$/;
const SURFACE_NAME = /^[A-Z][A-Za-z0-9]*(?:\.[A-Z][A-Za-z0-9]*)*$/;
const LOCAL_NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const CAPABILITY_LOCAL = /^[A-Za-z][A-Za-z0-9_.-]*$/;
const SCHEMA_NAME = /^[A-Za-z][A-Za-z0-9_.-]*$/;
// Parameters stand inside a subject, so their pointers hold nothing a token may not hold.
const EVENT_PARAM = /^(?:\/[A-Za-z0-9_$-]+)+$/;
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
const DEPLOYMENT = /^[a-z][a-z0-9-]{0,47}$/;

/** Every kind of name the manifest and the bindings use, with its rule in words for messages. */
export const NAME_RULES = {
  contractId: {
    rule: "lower-case words with dots, then @v and a number: orders@v1",
    test: (name: string) => name.length <= 120 && CONTRACT_ID.test(name),
  },
  version: { rule: "v and a number: v1", test: (name: string) => VERSION.test(name) },
  surface: {
    rule: "words that start with a capital, joined by dots: Orders.Get",
    test: (name: string) => name.length <= 120 && SURFACE_NAME.test(name),
  },
  local: {
    rule: "a letter, then letters, digits, - or _",
    test: (name: string) => name.length <= 64 && LOCAL_NAME.test(name),
  },
  schema: {
    rule: "a letter, then letters, digits, ., - or _",
    test: (name: string) => name.length <= 120 && SCHEMA_NAME.test(name),
  },
  eventParam: {
    rule: "a JSON pointer of letters, digits, _, $ or -: /customer/id",
    test: (name: string) => name.length <= 200 && EVENT_PARAM.test(name),
  },
  capability: { rule: "the contract's name, ::, a local name: orders::read", test: isCapabilityKey },
  bucket: { rule: "letters, digits, - or _", test: (name: string) => name.length <= 120 && BUCKET.test(name) },
  deployment: {
    rule: "a lower-case letter, then at most 47 lower-case letters, digits or -",
    test: (name: string) => DEPLOYMENT.test(name),
  },
} as const;

/** The kinds of names there are rules for. */
export type NameKind = keyof typeof NAME_RULES;

/** Whether a name follows the rule of its kind. */
export function isName(kind: NameKind, name: string): boolean {
  return NAME_RULES[kind].test(name);
}

function isCapabilityKey(key: string): boolean {
  if (RESERVED_CAPABILITIES.includes(key)) return true;
  const at = key.indexOf(CAPABILITY_SEPARATOR);
  if (at < 1 || key.length > 200) return false;
  return (
    CONTRACT_ID.test(`${key.slice(0, at)}@v1`) && CAPABILITY_LOCAL.test(key.slice(at + CAPABILITY_SEPARATOR.length))
  );
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function uncapitalize(word: string): string {
  return word.charAt(0).toLowerCase() + word.slice(1);
}
