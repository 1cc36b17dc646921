// Preloaded by every program a test starts: none outlives its test, not even one that was killed by SIGKILL.
import { Socket } from "node:net";

const { stdin } = process;
stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();
if (stdin instanceof Socket) stdin.unref();
