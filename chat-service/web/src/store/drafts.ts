/** Drafts: what was begun in a room and not sent, kept over reloads. */

export class Drafts {
  constructor(
    private readonly user: string,
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
  ) {}

  get(room: string): string {
    return this.storage.getItem(this.name(room)) ?? "";
  }

  set(room: string, text: string): void {
    if (text.trim() === "") this.storage.removeItem(this.name(room));
    else this.storage.setItem(this.name(room), text);
  }

  private name(room: string): string {
    return `chat.draft.${this.user}.${room}`;
  }
}
