/** Clock: time and timers, so that tests need not wait for them. */

export interface Clock {
  now(): number;
  /** Run `act` in `ms` milliseconds; returns what calls that off. */
  later(ms: number, act: () => void): () => void;
  /** A number from 0 to 1. */
  random(): number;
}

export const realClock: Clock = {
  now: () => Date.now(),
  later(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
