// Preloaded: this process believes it is CLOCK_SHIFT_MS later than it is.
const shiftMs = Number(process.env["CLOCK_SHIFT_MS"] ?? 0);
const RealDate = Date;

class ShiftedDate extends RealDate {
  constructor(...args: [] | [value: number | string | Date]) {
    if (args.length === 0) super(RealDate.now() + shiftMs);
    else super(args[0]);
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

Object.assign(globalThis, { Date: ShiftedDate });
