// One side of one contender, in a process of its own: node worker.ts <contender> <serve|call> <address>
import { answerParent, type Ask } from "../answer-parent.ts";
import { contenders } from "./sides.ts";

const [, , name = "", role = "", address = ""] = process.argv;
const contender = contenders.find((each) => each.name === name);
if (!contender) throw new Error(`no contender ${name}`);

let ask: Ask | undefined;
if (role === "serve") {
  await contender.serve(address);
} else {
  ask = await contender.connect(address);
  await ask();
}
answerParent(ask);
