/** Where the outbox survives a reload: IndexedDB, or localStorage where that is refused (private windows). */
import type { Item, OutboxStorage } from "./outbox";

const DATABASE = "chat-outbox";
const STORE = "items";

export async function outboxStorage(): Promise<OutboxStorage> {
  try {
    return new IndexedStorage(await opened());
  } catch {
    return new LocalStorage(globalThis.localStorage);
  }
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB refused"));
  });
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
  return answered(request);
}

class IndexedStorage implements OutboxStorage {
  constructor(private readonly database: IDBDatabase) {}

  private store(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(STORE, mode).objectStore(STORE);
  }

  async load(user: string): Promise<Item[]> {
    const items: Item[] = await answered(this.store("readonly").getAll());
    return items.filter((item) => item.user === user);
  }

  async put(item: Item): Promise<void> {
    await answered(this.store("readwrite").put(item));
  }

  async remove(key: string): Promise<void> {
    await answered(this.store("readwrite").delete(key));
  }
}

export class LocalStorage implements OutboxStorage {
  constructor(private readonly storage: Storage) {}

  async load(user: string): Promise<Item[]> {
    return Object.keys(this.storage)
      .filter((name) => name.startsWith(`${DATABASE}.`))
      .map((name) => JSON.parse(this.storage.getItem(name) ?? "null") as Item)
      .filter((item) => item?.user === user);
  }

  async put(item: Item): Promise<void> {
    this.storage.setItem(`${DATABASE}.${item.key}`, JSON.stringify(item));
  }

  async remove(key: string): Promise<void> {
    this.storage.removeItem(`${DATABASE}.${key}`);
  }
}
