/** Keys: what makes a write the same write when it is sent again. */

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** 100 random bits. Not crypto.randomUUID, which plain-http pages do not have. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bytes, (byte) => LETTERS[byte & 31]).join("");
}
