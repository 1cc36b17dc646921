// Loaded into the service by `trellis dev`: when that is gone, however it ended, nobody would stop the service.
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();
