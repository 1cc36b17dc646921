/** The control plane logs as every service does. */
export { type Log, type LogFields, SILENT_LOG } from "@trellis/server/internal";
