/** Drafts: what was begun in a room or a thread and not sent, kept over reloads. */
import type { FileView } from "../protocol/wire";
import type { Place } from "./place";

export class Drafts {
  constructor(
    private readonly user: string,
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
  ) {}

  get(place: Place): string {
    return this.storage.getItem(this.name(place)) ?? "";
  }

  set(place: Place, text: string): void {
    if (text.trim() === "") this.storage.removeItem(this.name(place));
    else this.storage.setItem(this.name(place), text);
  }

  /** The files that are uploaded and wait for being sent: what they are called and how they are found. */
  files(place: Place): FileView[] {
    try {
      const stored: unknown = JSON.parse(this.storage.getItem(this.name(place, "files")) ?? "[]");
      return Array.isArray(stored) ? stored.filter(isFile) : [];
    } catch {
      return [];
    }
  }

  setFiles(place: Place, files: readonly FileView[]): void {
    if (files.length === 0) this.storage.removeItem(this.name(place, "files"));
    else this.storage.setItem(this.name(place, "files"), JSON.stringify(files));
  }

  private name(place: Place, kind = "draft"): string {
    return `chat.${kind}.${this.user}.${place}`;
  }
}

function isFile(value: unknown): value is FileView {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, size, type } = value as Partial<FileView>;
  return (
    typeof id === "string" && typeof name === "string" && typeof size === "number" && typeof type === "string"
  );
}
