/** Where workers write; the log of a service fits. */
export interface JobLog {
  debug(message: string, fields?: { readonly [name: string]: unknown }): void;
  info(message: string, fields?: { readonly [name: string]: unknown }): void;
  warn(message: string, fields?: { readonly [name: string]: unknown }): void;
  error(message: string, fields?: { readonly [name: string]: unknown }): void;
  child(fields: { readonly [name: string]: unknown }): JobLog;
}
