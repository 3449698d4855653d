/** Retrying: how long to wait before the same is asked again. */
import type { Clock } from "./clock";

const FIRST_MS = 500;

/**
 * Doubles with every attempt (the first is 1) up to `longest`, and never less than the service asked for.
 * On top comes chance: those who were refused together must not come back together.
 */
export function pause(attempt: number, longest: number, clock: Clock, asked = 0): number {
  const backoff = Math.min(longest, FIRST_MS * 2 ** Math.min(attempt, 16)) / 2;
  const least = Math.max(backoff, asked);
  return least + backoff * clock.random();
}
