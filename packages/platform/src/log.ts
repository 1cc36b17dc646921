/** What a log line says besides its message. */
export interface LogFields {
  readonly [name: string]: unknown;
}

/** Where the control plane writes what people should be able to find later (structurally the log of a service). */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Log;
}

/** A log that forgets everything. */
export const SILENT_LOG: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child() {
    return SILENT_LOG;
  },
};
