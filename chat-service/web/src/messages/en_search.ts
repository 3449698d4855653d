/** What is said where messages are looked for, in English. */
import { count } from "./en_numbers";

const sentence = (words: string) => words.charAt(0).toUpperCase() + words.slice(1);

export const search = {
  title: "Search",
  label: "Search messages",
  placeholder: "Words, from:ann, in:general, has:file",
  go: "Search",
  filters: "Narrow it down",
  fromMe: "From me",
  withFile: "With a file",
  inRoom: (room: string) => `In ${room}`,
  loading: "Searching…",
  found: (n: number, more: boolean) =>
    more ? `The newest ${count(n, "message", "messages")}` : `${count(n, "message", "messages")} found`,
  none: "Nothing was found.",
  noneHint: "Try fewer words, the beginning of a word with a star (ship*), or another room.",
  help: "What you can look for",
  examples: [
    ["green tea", "messages with both words, anywhere"],
    ['"green tea"', "with the words next to each other"],
    ["ship*", "with a word that begins so"],
    ["from:ann", "written by this person; from:me by you"],
    ["in:general", 'in a room of this name; in:"two words"'],
    ["has:file", "that bring a file"],
  ] as readonly (readonly [string, string])[],
  elsewhere: "another room",
  inThread: "in a thread",
  by: (name: string, room: string) => `${name} in ${room}`,
  open: (name: string, room: string) => `Show the message of ${name} in ${room}`,
  problem: ({ code, message }: { code: string; message: string }) =>
    code === "unavailable"
      ? "Searching does not work at the moment. Reading and writing may."
      : code === "unanswered"
        ? "The server cannot be reached. Search again once you are connected."
        : code === "rate_limited"
          ? "That were many searches at once. Wait a moment."
          : sentence(message.replace(/^q: /, "")),
};
