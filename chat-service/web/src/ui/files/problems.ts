/** What went wrong with an upload, in plain words. */
import type { Problem } from "../../protocol/problem";
import { texts } from "../../texts";
import { sizeInWords } from "./describing";

/** `largest` is what the service takes of one file, where it is known. */
export function inWords(problem: Problem, largest: number | null): string {
  const words = texts.files;
  switch (problem.code) {
    case "too_large":
      return words.tooLarge(largest === null ? null : sizeInWords(largest));
    case "quota_exceeded":
      return words.quota;
    case "rate_limited":
      return words.limited(Math.max(1, Math.ceil((problem.retry_after_ms ?? 1_000) / 1_000)));
    case "unanswered":
      return words.unreachable;
    default:
      return problem.message;
  }
}
