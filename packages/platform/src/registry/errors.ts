/** Others kept changing what the transaction read; nothing was stored. */
export class RegistryBusyError extends Error {
  readonly code = "registry_busy";

  constructor(attempts: number) {
    super(
      `The records were changed by others ${attempts} times in a row while they were being changed here. Nothing was stored; try again.`,
    );
    this.name = "RegistryBusyError";
  }
}

/** The store does not answer. `outcome` says whether the change may have been stored all the same. */
export class RegistryUnavailableError extends Error {
  readonly code = "registry_unavailable";
  readonly outcome: "not stored" | "unknown";

  constructor(outcome: "not stored" | "unknown", detail: string, options?: ErrorOptions) {
    super(
      `The registry does not answer (${detail}). ${
        outcome === "not stored"
          ? "Nothing was stored"
          : "Whether the change was stored is not known: look before repeating it"
      }.`,
      options,
    );
    this.name = "RegistryUnavailableError";
    this.outcome = outcome;
  }
}

/** A record written by a newer control plane, or a damaged one: it can be neither read nor overwritten here. */
export class RecordUnreadableError extends Error {
  readonly code = "record_unreadable";

  constructor(table: string, id: string, why: string) {
    super(`The record ${table}/${id} cannot be read by this control plane: ${why}. Update this replica.`);
    this.name = "RecordUnreadableError";
  }
}

/** The registry of this process was closed. */
export class RegistryClosedError extends Error {
  readonly code = "registry_closed";

  constructor() {
    super("The registry was closed.");
    this.name = "RegistryClosedError";
  }
}
