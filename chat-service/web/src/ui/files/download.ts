/** Downloading: bytes as a file on the reader's machine, whatever they claim to be. */
import type { FileView } from "../../protocol/wire";
import type { ChatClient } from "../../store/client";
import { shownName } from "./describing";

/** The browser has begun by then. */
const KEPT_MS = 60_000;

/** Throws Problem. */
export async function download(client: ChatClient, file: FileView): Promise<void> {
  const bytes = await client.bytes.blob(file.id);
  // Of a type that no browser shows: it can only be saved.
  const inert = new Blob([bytes], { type: "application/octet-stream" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(inert);
  link.download = shownName(file.name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
