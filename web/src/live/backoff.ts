/** Seconds to wait before the n-th try (0, 1, 2 …): 0.5, 1, 2, 4, 8, 15, 15 …, spread so that tabs do not return all at once. */
export function backoff_s(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(15, 0.5 * 2 ** attempt);
  return full * (0.75 + 0.5 * random());
}
