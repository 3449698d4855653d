/** How many of something, in English. */

const plurals = new Intl.PluralRules("en");
export const count = (n: number, one: string, other: string) =>
  `${n} ${plurals.select(n) === "one" ? one : other}`;
