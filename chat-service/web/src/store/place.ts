/** Place: where something is written, a room or a thread in it; drafts and files are kept by place. */

export type Place = string;

export function placeOf(room: string, thread?: number): Place {
  return thread === undefined ? room : `${room}.${thread}`;
}
