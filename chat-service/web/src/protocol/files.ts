/** FileRest: files to the service and from it, where what is sent and what comes is bytes. */
import { Problem, problemIn } from "./problem";
import { ask } from "./rest";
import type { FileView } from "./wire";

/** What the service takes: of one file in bytes, and how many with a message. */
export interface Limits {
  max_file_bytes: number;
  max_files_per_message: number;
}

export interface UploadAsked {
  room: string;
  name: string;
  source: Blob;
  /** Told how many bytes are on their way. */
  progress: (sent: number) => void;
  signal: AbortSignal;
}

export class FileRest {
  constructor(
    private readonly origin: string,
    private readonly token: () => Promise<string>,
  ) {}

  /** Throws Problem, also where it was called off. */
  async upload({ room, name, source, progress, signal }: UploadAsked): Promise<FileView> {
    const token = await this.token();
    const query = new URLSearchParams({ name });
    // fetch says nothing of how far a body has gone.
    const request = new XMLHttpRequest();
    request.open("POST", `${this.origin}/api/v1/rooms/${room}/files?${query}`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded }) => progress(loaded);
    const over = new Promise<void>((resolve) => (request.onloadend = () => resolve()));
    if (signal.aborted) throw calledOff();
    signal.addEventListener("abort", () => request.abort());
    request.send(source);
    await over;
    if (signal.aborted) throw calledOff();
    if (request.status === 0) throw Problem.unanswered("The server cannot be reached.");
    const answer = parsed(request.responseText);
    if (request.status < 300 && answer !== null) return answer as FileView;
    throw problemIn(answer, refusal(request.status));
  }

  /** The bytes of a file, or of the small image that stands for it. Throws Problem. */
  async bytes(file: string, thumbnail: boolean): Promise<Blob> {
    const path = `${this.origin}/api/v1/files/${file}${thumbnail ? "/thumbnail" : ""}`;
    const headers = { Authorization: `Bearer ${await this.token()}` };
    try {
      const answer = await fetch(path, { headers });
      if (answer.ok) return await answer.blob();
      throw problemIn(parsed(await answer.text()), refusal(answer.status));
    } catch (thrown) {
      throw thrown instanceof Problem ? thrown : Problem.unanswered("The server cannot be reached.");
    }
  }

  /** Take back an upload that is in no message. */
  async takeBack(file: string): Promise<void> {
    await ask(this.origin)("DELETE", `/files/${file}`, undefined, await this.token());
  }

  async limits(): Promise<Limits> {
    return (await ask(this.origin)("GET", "/about")) as Limits;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** For an answer that is not the service's own: a proxy's page, say. */
function refusal(status: number) {
  const message = `The server answered ${status}.`;
  if (status === 413) return { code: "too_large", message, retryable: false };
  const down = status >= 500;
  return { code: down ? "unavailable" : "invalid", message, retryable: down };
}

function calledOff(): Problem {
  return new Problem({ code: "called_off", message: "It was called off.", retryable: false });
}
