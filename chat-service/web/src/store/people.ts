/** People: the names behind ids, looked up together when they are first asked for. */
import type { Member, Person } from "../protocol/wire";
import { Observable } from "./observable";

/** What one request may ask for. */
const MOST = 100;

export class People extends Observable {
  private readonly known = new Map<string, Person>();
  private wanted = new Set<string>();
  private asked = new Set<string>();
  private planned = false;

  constructor(private readonly lookUp: (ids: string[]) => Promise<Person[]>) {
    super();
  }

  /** The person, if known already; asks for them otherwise. */
  get(id: string): Person | undefined {
    const person = this.known.get(id);
    if (person === undefined && /^[ug]/.test(id) && !this.asked.has(id)) this.want(id);
    return person;
  }

  add(...people: Person[]): void {
    for (const person of people) this.known.set(person.id, person);
    this.changed();
  }

  /** The `person` event: somebody is called otherwise now. */
  renamed(id: string, username: string, name: string): void {
    const known = this.known.get(id);
    if (known !== undefined) this.add({ ...known, username, name });
  }

  /** Take the names that a list of members came with; what else is known of somebody stays. */
  learn(members: readonly Member[]): void {
    for (const { user: id, username, name, kind, active } of members) {
      this.known.set(id, { admin: false, ...this.known.get(id), id, username, name, kind, active });
      this.asked.add(id);
    }
    this.changed();
  }

  /** Names may have changed while nobody told us: ask again when they are next shown. */
  forgetAsked(): void {
    this.asked = new Set(this.known.keys());
  }

  private want(id: string): void {
    this.wanted.add(id);
    this.asked.add(id);
    if (this.planned) return;
    this.planned = true;
    setTimeout(() => void this.ask(), 10);
  }

  private async ask(): Promise<void> {
    this.planned = false;
    const ids = [...this.wanted];
    this.wanted = new Set();
    for (let from = 0; from < ids.length; from += MOST) {
      const page = ids.slice(from, from + MOST);
      try {
        this.add(...(await this.lookUp(page)));
      } catch {
        for (const id of page) this.asked.delete(id);
      }
    }
  }
}
