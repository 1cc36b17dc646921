/** A new position this often. */
const STEP_MS = 200;

/** The step of this moment: the same on every replica. */
export function stepNow(): number {
  return Math.floor(Date.now() / STEP_MS);
}

export function msUntil(step: number): number {
  return Math.max(0, step * STEP_MS - Date.now());
}

/** Vans drive round the town, each a bit behind the one before in the alphabet. */
export function positionAt(van: string, step: number) {
  const angle = (step % 300) * ((2 * Math.PI) / 300) - van.charCodeAt(0) / 10;
  return { van, step, north: Number(Math.sin(angle).toFixed(4)), east: Number(Math.cos(angle).toFixed(4)) };
}
