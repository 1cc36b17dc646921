// Preloaded by every program of these tests: none outlives the test that started it, not even one killed by SIGKILL.
import { Socket } from "node:net";

const { stdin } = process;
stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();
if (stdin instanceof Socket) stdin.unref();
