/** What is written, as the events of protocol v1. */
import type { Item } from "./outbox";

export function asEvent({ room, key, write }: Pick<Item, "room" | "key" | "write">): [string, object] {
  switch (write.kind) {
    case "send": {
      const { text, reply_to, thread, files = [] } = write;
      return [
        "message:send",
        {
          room,
          key,
          body: text === "" ? {} : { text },
          ...(reply_to === undefined ? {} : { reply_to }),
          ...(thread === undefined ? {} : { thread }),
          ...(files.length === 0 ? {} : { files: files.map(({ id }) => id) }),
        },
      ];
    }
    case "edit":
      return ["message:edit", { room, key, target: write.target, body: { text: write.text } }];
    case "delete":
      return ["message:delete", { room, key, target: write.target }];
    case "react":
      return ["reaction:set", { room, key, target: write.target, emoji: write.emoji, on: write.on }];
    case "pin":
      return ["pin:set", { room, key, target: write.target, on: write.on }];
  }
}
