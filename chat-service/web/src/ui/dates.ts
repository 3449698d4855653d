/** Dates and times as the reader's locale writes them. */
import { texts } from "../texts";
import { sameDay } from "./room/rows";

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const withYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const dayAndMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const medium = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DAY_MS = 86_400_000;

export const timeOf = (ts: number): string => clock.format(ts);
export const fullDate = (ts: number): string => full.format(ts);
export const shortDate = (ts: number): string => short.format(ts);

/** As short as it can be and still be told apart: the time today, the day else. */
export function briefly(ts: number, now = Date.now()): string {
  if (sameDay(ts, now)) return clock.format(ts);
  return now - ts < 300 * DAY_MS ? dayAndMonth.format(ts) : medium.format(ts);
}

export function dayOf(ts: number, now = Date.now()): string {
  if (sameDay(ts, now)) return texts.today;
  if (sameDay(ts, now - DAY_MS)) return texts.yesterday;
  return now - ts < 300 * DAY_MS ? weekday.format(ts) : withYear.format(ts);
}
