// What is left of a service without a service: node nothing-process.js
import { tellMemory } from "./tell-memory.ts";

tellMemory();
