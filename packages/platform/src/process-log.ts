import { pino, type DestinationStream, type Logger } from "pino";
import type { Log } from "./log.ts";

/** The log of a control-plane process: one JSON line each, which every log collector reads. */
export function createProcessLog(level: "debug" | "info" | "warn" | "error", destination?: DestinationStream): Log {
  const base = { base: { service: "trellis" }, level, timestamp: pino.stdTimeFunctions.isoTime };
  return wrap(destination === undefined ? pino(base) : pino(base, destination));
}

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
