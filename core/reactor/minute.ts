// What all Workers of a program together may do once a minute. It knows nothing of what that is.

const MINUTE_S = 60;

/**
 * Takes this minute's turn: of all Workers that ask within a minute, one may. Any thread.
 *
 * @param turns Shared memory, zeros at first.
 * @param at The word for what is to be done.
 */
export function takeMinute(turns: Int32Array, at: number): boolean {
  // seconds since 1970, which every thread counts alike; 0 is never
  const now = Math.floor(Date.now() / 1000) & 0x7fff_ffff;
  const taken = Atomics.load(turns, at);
  if (taken !== 0 && Math.abs(now - taken) < MINUTE_S) return false;
  return Atomics.compareExchange(turns, at, taken, now) === taken;
}
