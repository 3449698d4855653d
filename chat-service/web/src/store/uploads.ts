/** Uploads: files on their way to the service, and those that wait there for the message they belong to. */
import type { Limits, UploadAsked } from "../protocol/files";
import { Problem } from "../protocol/problem";
import type { FileView } from "../protocol/wire";
import type { Clock } from "./clock";
import type { Drafts } from "./drafts";
import { Observable } from "./observable";
import type { Place } from "./place";

interface Described {
  readonly id: number;
  readonly place: Place;
  readonly name: string;
  readonly size: number;
}

/** `source` is what is sent; an upload that an earlier page finished has none. */
export type Upload = Described &
  (
    | { readonly state: "waiting"; readonly source: Blob; readonly problem?: Problem }
    | { readonly state: "sending"; readonly source: Blob; readonly sent: number }
    | { readonly state: "failed"; readonly source: Blob; readonly problem: Problem }
    | { readonly state: "done"; readonly source: Blob | null; readonly file: FileView }
  );

export interface UploadMeans {
  /** Throws Problem. */
  upload: (asked: UploadAsked) => Promise<FileView>;
  takeBack: (file: string) => Promise<void>;
  limits: () => Promise<Limits>;
  drafts: Drafts;
  clock: Clock;
}

const AT_ONCE = 2;
/** How often an upload waits by itself for a limit of the service to pass. */
const TRIES = 6;
const PAUSE_MS = 2_000;

export class Uploads extends Observable {
  private readonly places = new Map<Place, readonly Upload[]>();
  private readonly rooms = new Map<number, string>();
  private readonly running = new Map<number, AbortController>();
  private readonly tries = new Map<number, number>();
  private readonly paused = new Map<number, () => void>();
  private limits: Limits | null = null;
  private count = 0;

  constructor(private readonly means: UploadMeans) {
    super();
  }

  /** What is attached where, in the order chosen. */
  of(place: Place): readonly Upload[] {
    return this.places.get(place) ?? this.restored(place);
  }

  /** How many are not there yet; those that failed are not among them. */
  unfinished(place: Place): number {
    return this.of(place).filter(({ state }) => state === "waiting" || state === "sending").length;
  }

  /** Attach files. Returns how many were left out because a message holds no more. */
  async add(room: string, place: Place, files: readonly File[]): Promise<number> {
    const limits = await this.known();
    const left = Math.max(0, (limits?.max_files_per_message ?? Infinity) - this.of(place).length);
    const taken = files.slice(0, left).map((source): Upload => {
      this.count += 1;
      const described = { id: this.count, place, name: source.name, size: source.size, source };
      this.rooms.set(described.id, room);
      const fits = source.size <= (limits?.max_file_bytes ?? Infinity);
      return fits
        ? { ...described, state: "waiting" }
        : { ...described, state: "failed", problem: tooLarge() };
    });
    this.places.set(place, [...this.of(place), ...taken]);
    this.changed();
    this.pump();
    return files.length - taken.length;
  }

  /** What the service takes of one file, where it is known. */
  get largest(): number | null {
    return this.limits?.max_file_bytes ?? null;
  }

  /** Try once more what failed. */
  retry(id: number): void {
    const upload = this.find(id);
    if (upload?.state !== "failed") return;
    const { problem: _, ...rest } = upload;
    this.tries.delete(id);
    this.replace({ ...rest, state: "waiting" });
    this.pump();
  }

  /** Call an upload off, or take back what is there already. */
  remove(id: number): void {
    const upload = this.find(id);
    if (upload === undefined) return;
    this.drop(upload);
    if (upload.state === "done") void this.means.takeBack(upload.file.id).catch(() => undefined);
    this.running.get(id)?.abort();
    this.pump();
  }

  /** The files for a message that is sent now; they are no longer attached here. */
  taken(place: Place): FileView[] {
    const uploads = this.of(place);
    for (const upload of uploads) if (upload.state === "done") this.drop(upload);
    return done(uploads);
  }

  /** Nothing is uploaded any more. */
  end(): void {
    for (const callOff of this.paused.values()) callOff();
    for (const controller of this.running.values()) controller.abort();
    this.places.clear();
  }

  private restored(place: Place): readonly Upload[] {
    const uploads = this.means.drafts.files(place).map((file): Upload => {
      this.count += 1;
      const { name, size } = file;
      return { id: this.count, place, name, size, state: "done", source: null, file };
    });
    this.places.set(place, uploads);
    return uploads;
  }

  private async known(): Promise<Limits | null> {
    // Without them the service itself says what is too much.
    this.limits ??= await this.means.limits().catch(() => null);
    return this.limits;
  }

  private pump(): void {
    for (const upload of [...this.places.values()].flat()) {
      if (this.running.size >= AT_ONCE) return;
      if (upload.state === "waiting" && !this.paused.has(upload.id)) void this.send(upload);
    }
  }

  private async send(upload: Upload & { source: Blob }): Promise<void> {
    const { id, place, name, size, source } = upload;
    const described = { id, place, name, size, source };
    const controller = new AbortController();
    this.running.set(id, controller);
    this.replace({ ...described, state: "sending", sent: 0 });
    const asked = {
      room: this.rooms.get(id) ?? place,
      name,
      source,
      progress: (sent: number) =>
        this.replace({ ...described, state: "sending", sent: Math.min(sent, size) }),
      signal: controller.signal,
    };
    try {
      const file = await this.means.upload(asked);
      // It was called off when it was there already.
      if (this.find(id) === undefined) void this.means.takeBack(file.id).catch(() => undefined);
      else this.replace({ ...described, name: file.name, state: "done", file });
    } catch (thrown) {
      this.failed({ ...described, state: "failed", problem: Problem.of(thrown) });
    } finally {
      this.running.delete(id);
      this.pump();
    }
  }

  private failed(upload: Upload & { state: "failed" }): void {
    const { id, problem } = upload;
    const tries = (this.tries.get(id) ?? 0) + 1;
    this.tries.set(id, tries);
    if (problem.code !== "rate_limited" || tries >= TRIES || this.find(id) === undefined) {
      this.replace(upload);
      return;
    }
    const wait = this.means.clock.later(problem.retry_after_ms ?? PAUSE_MS, () => {
      this.paused.delete(id);
      this.pump();
    });
    this.paused.set(id, wait);
    this.replace({ ...upload, state: "waiting" });
  }

  private find(id: number): Upload | undefined {
    return [...this.places.values()].flat().find((upload) => upload.id === id);
  }

  private replace(upload: Upload): void {
    this.hold(
      upload.place,
      this.of(upload.place).map((one) => (one.id === upload.id ? upload : one)),
    );
  }

  private drop(upload: Upload): void {
    this.paused.get(upload.id)?.();
    this.paused.delete(upload.id);
    this.tries.delete(upload.id);
    this.rooms.delete(upload.id);
    this.hold(
      upload.place,
      this.of(upload.place).filter((one) => one.id !== upload.id),
    );
  }

  private hold(place: Place, uploads: readonly Upload[]): void {
    const before = done(this.of(place));
    const after = done(uploads);
    this.places.set(place, uploads);
    if (before.length !== after.length) this.means.drafts.setFiles(place, after);
    this.changed();
  }
}

function done(uploads: readonly Upload[]): FileView[] {
  return uploads.filter((upload) => upload.state === "done").map(({ file }) => file);
}

function tooLarge(): Problem {
  return new Problem({ code: "too_large", message: "The file is too large.", retryable: false });
}
