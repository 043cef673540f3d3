/** Hands a file to the person at the window: the browser's own download, which Electron turns into a save dialog. */
export function download(name: string, content: Blob | string): void {
  const blob = typeof content === 'string' ? new Blob([content], { type: 'text/csv;charset=utf-8' }) : content;
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // The click only queues the download; the address must outlive it.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
