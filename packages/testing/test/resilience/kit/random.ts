/** Numbers from 0 to below 1 that look random and are the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The seed `TRELLIS_SEED` says, or a new one. */
export function chosenSeed(): number {
  return Number(process.env["TRELLIS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
}
