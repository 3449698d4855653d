/** The other tabs of this browser: what is told to them, and which of them does what only one may do. */
import type { OutboxNews, Tabs } from "./outbox";

/** Do `work` while no other tab does work of that name. Without Web Locks (plain http) it is done at once. */
export type Exclusively = <T>(name: string, work: () => Promise<T>) => Promise<T>;

export const exclusively: Exclusively = async (name, work) => {
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  if (locks === undefined) return work();
  return (await locks.request(name, work)) as never;
};

/** Call `lead` once this tab is the only one that leads, until `end` is called. */
export function leadership(name: string, lead: (leading: boolean) => void): { end: () => void } {
  let end: () => void = () => undefined;
  let ended = false;
  void exclusively(name, async () => {
    if (ended) return;
    lead(true);
    await new Promise<void>((resolve) => (end = resolve));
    lead(false);
  });
  return {
    end: () => {
      ended = true;
      end();
    },
  };
}

export function outboxTabs(): Tabs {
  if (typeof BroadcastChannel === "undefined")
    return { tell: () => undefined, listen: () => () => undefined };
  const channel = new BroadcastChannel("chat-outbox");
  return {
    tell: (news) => channel.postMessage(news),
    listen(hear) {
      const heard = (event: MessageEvent<OutboxNews>) => hear(event.data);
      channel.addEventListener("message", heard);
      return () => channel.removeEventListener("message", heard);
    },
  };
}
