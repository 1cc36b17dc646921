/** What a log line says besides its message. */
export interface LogFields {
  readonly [name: string]: unknown;
}

/** Where a service writes what people should be able to find later. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with these fields on every line. */
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
