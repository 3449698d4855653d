/** Dropping: files that are dragged over the page. */

export const bringsFiles = (event: DragEvent): boolean =>
  event.dataTransfer?.types.includes("Files") ?? false;

/** For the whole page: a file that misses its target must not take the page's place. */
export function missed(event: DragEvent): void {
  if (!bringsFiles(event) || event.dataTransfer === null) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
}
