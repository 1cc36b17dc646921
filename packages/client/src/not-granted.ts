import { AuthError, TransportError } from "@trellis/protocol";

/** What is known about the participant's uses beside its contract; a `Session` fits. */
export interface UseFacts {
  /** Whether a required use grants nothing at the moment, because its contract is not in force. */
  isInactive?(alias: string): boolean;
}

/** Something of another contract that NATS refused. */
export interface RefusedUse {
  readonly name: string;
  /** The contract that owns it; undefined for a name no used contract has. */
  readonly contractId: string | undefined;
  readonly declared:
    { readonly alias: string; readonly list: readonly string[]; readonly selected: boolean } | undefined;
  /** Where a contract selects such things. */
  readonly selection: "rpc.call" | "operations.call" | "feeds.subscribe";
}

/** Why NATS refused the subject: the contract does not declare it, its declaration is not in force, or its owner is away. */
export function notGranted(use: RefusedUse, facts: UseFacts): AuthError | TransportError {
  const { name, contractId, declared } = use;
  if (declared?.selected === true && facts.isInactive?.(declared.alias) === true) return inactive(name, contractId);
  return new AuthError("insufficient_permissions", { message: `${name} was refused by NATS. ${remedy(use)}` });
}

/** As good as nobody serving it: it comes back by itself, so asking again is worth it. */
export function inactive(name: string, contractId: string | undefined): TransportError {
  return new TransportError("no_responders", {
    message: `${name} is not there at the moment: ${contractId ?? "its contract"} is not in force on this platform any more, so what it granted is taken back until it is.`,
    hint: "See what serves it with `trellis svc list`: a deployment was disabled or removed, or offers less than before. Then ask again.",
  });
}

/** The sentence about an alias that is declared and grants nothing. */
export function declaredInVain(alias: string, contractId: string | undefined): string {
  return `The contract declares it (uses ${alias}, ${contractId ?? "an unknown contract"}), but it is not granted: a capability is missing, an optional use was not accepted, its contract is not in force, or the change is not in force yet.`;
}

function remedy({ name, contractId, declared, selection }: RefusedUse): string {
  const [member, list] = selection.split(".");
  if (declared === undefined) {
    return `This contract uses no contract that has ${name}. Add the one that owns it to \`uses\`: { required: { owner: owner.use({ ${member}: { ${list}: ["${name}"] } }) } }.`;
  }
  const { alias, selected } = declared;
  if (!selected) {
    const names = [...declared.list, name].map((each) => `"${each}"`).join(", ");
    return `The contract does not declare it. Add it to \`uses\`: ${alias}: ${alias}.use({ ${member}: { ${list}: [${names}] } }).`;
  }
  return `${declaredInVain(alias, contractId)} \`trellis why\` tells which.`;
}
