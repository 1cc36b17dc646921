// Preloaded: on SIGUSR2 the clock of this process jumps by CLOCK_JUMP_MS, as one does that somebody sets.
const jumpMs = Number(process.env["CLOCK_JUMP_MS"] ?? 0);
const RealDate = Date;
let shiftMs = 0;

class JumpingDate extends RealDate {
  constructor(...args: [] | [value: number | string | Date]) {
    if (args.length === 0) super(RealDate.now() + shiftMs);
    else super(args[0]);
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

Object.assign(globalThis, { Date: JumpingDate });
process.on("SIGUSR2", () => {
  shiftMs = jumpMs;
  console.log("the clock has jumped");
});
