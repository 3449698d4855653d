/** History: pages of a room's messages that are asked for when somebody looks further than what is held. */
import type { HistoryPage } from "../protocol/wire";
import type { RoomLog, Ticket } from "./room_log";

export interface HistoryMeans {
  log: (room: string) => RoomLog;
  /** Ask for a page. Throws Problem. */
  page: (asked: object) => Promise<HistoryPage>;
}

const PAGE = 100;

export class History {
  constructor(private readonly means: HistoryMeans) {}

  /** Load messages before those that are looked at. */
  async older(room: string): Promise<void> {
    const log = this.means.log(room);
    const ticket = log.askOlder();
    if (ticket === null) return;
    const page = await this.page(log, ticket, { before: ticket.seq });
    if (page !== null) log.older(ticket, page);
  }

  /** Load messages after a stretch of the past. */
  async newer(room: string): Promise<void> {
    const log = this.means.log(room);
    const ticket = log.askNewer();
    if (ticket === null) return;
    const page = await this.page(log, ticket, { after: ticket.seq });
    if (page !== null) log.newer(ticket, page);
  }

  /** Load what stands around a message, however far back it is. */
  async around(room: string, seq: number): Promise<void> {
    const log = this.means.log(room);
    const ticket = log.askAround(seq);
    const page = await this.page(log, ticket, { around: seq });
    if (page !== null) log.around(ticket, page);
  }

  private async page(log: RoomLog, ticket: Ticket, asked: object): Promise<HistoryPage | null> {
    try {
      return await this.means.page({ room: log.room, limit: PAGE, ...asked });
    } catch {
      log.askedInVain(ticket);
      return null;
    }
  }
}
