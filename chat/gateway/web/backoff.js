// After a connection has ended, this says whether to come back, and when.

export const FIRST_DELAY_MS = 500;
export const LONGEST_DELAY_MS = 15_000; // a server that is back is found again within that
const FINAL_CODES_FROM = 4500; // close codes from here on say: do not come back

export function mayComeBack(closeCode) {
  return closeCode < FINAL_CODES_FROM;
}

// The wait doubles with each attempt that failed and half of it is random, so that the clients of a server that
// died do not all come back at once. What the server asked for (`afterMs`, `reconnectInMs`) is spread by the server
// already: the first attempt keeps it as it is, and no later one comes sooner.
export function delayMs(attempt, askedMs = null, random = Math.random) {
  if (askedMs !== null && attempt === 0) return askedMs;
  const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16));
  return Math.max(askedMs ?? 0, Math.round(longest * (0.5 + random() / 2)));
}
