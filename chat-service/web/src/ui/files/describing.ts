/** Describing files: their names as they may be shown, their kinds and sizes in words. */
import { plain } from "../../markdown/plain";
import type { Body, FileView } from "../../protocol/wire";
import { texts } from "../../texts";

/** What would turn the letters after it around, end the line or not be seen at all. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;
const TAIL = 9;
const UNCUT = 16;

/** A file's name for the eye: what plays tricks with it stands there as a mark. */
export function shownName(name: string): string {
  return name.replace(UNSEEN, "\ufffd");
}

/** Whether a name begins in a script that is written from right to left: it is cut and laid out that way. */
export function isRightToLeft(name: string): boolean {
  const first = /\p{L}/u.exec(name)?.[0] ?? "";
  return /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(first);
}

/** A name in two: what is cut where there is no room, and the end with its extension, which is not. */
export function halves(name: string): [string, string] {
  const letters = graphemes(shownName(name));
  if (letters.length <= UNCUT) return [letters.join(""), ""];
  return [letters.slice(0, -TAIL).join(""), letters.slice(-TAIL).join("")];
}

function graphemes(text: string): string[] {
  if (!("Segmenter" in Intl)) return [...text];
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

export function sizeInWords(bytes: number): string {
  let value = bytes;
  let at = 0;
  while (value >= 1_000 && at < UNITS.length - 1) {
    value /= 1_000;
    at += 1;
  }
  const maximumFractionDigits = at > 1 && value < 100 ? 1 : 0;
  const unitDisplay = at === 0 ? "long" : "short";
  const format = { style: "unit", unit: UNITS[at] ?? "byte", unitDisplay, maximumFractionDigits } as const;
  return new Intl.NumberFormat(undefined, format).format(value);
}

export function kindOf(type: string): keyof typeof texts.files.kinds {
  if (type === "application/pdf") return "pdf";
  if (/zip|tar|compressed|7z/.test(type)) return "archive";
  if (/json|xml/.test(type) && !type.startsWith("image/")) return "text";
  const family = type.split("/")[0];
  return family === "image" || family === "video" || family === "audio" || family === "text"
    ? family
    : "other";
}

export function described({ type, size }: Pick<FileView, "type" | "size">): string {
  return texts.files.sizeLine(texts.files.kinds[kindOf(type)], sizeInWords(size));
}

const SHOWN = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** Above this, an image that has no thumbnail is fetched only when somebody looks at it. */
const MOST_UNASKED = 1_000_000;

/** Whether a file is shown as an image in its message: what the service says about its size reserves the space. */
export function isShown(file: FileView): boolean {
  if (!SHOWN.includes(file.type) || !file.width || !file.height) return false;
  return file.thumbnail || file.size <= MOST_UNASKED;
}

/** The size in pixels at which an image stands alone in its message, or beside others. */
export function shownSize(file: FileView, alone: boolean): { width: number; height: number } {
  const [width, height] = [file.width ?? 1, file.height ?? 1];
  if (!alone) {
    // In a row all are of one height; the widest and the narrowest lose their edges.
    return { width: Math.round(Math.max(96, Math.min(248, (160 * width) / height))), height: 160 };
  }
  const scale = Math.min(1, 360 / width, 280 / height);
  const least = 48;
  return {
    width: Math.max(least, Math.round(width * scale)),
    height: Math.max(least, Math.round(height * scale)),
  };
}

/** What a message says where there is one line for it: its words, or what its files are called. */
export function inALine({ text, files = [] }: Body): string {
  return text ? plain(text) : files.map(({ name }) => shownName(name)).join(", ");
}
