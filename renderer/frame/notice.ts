/** One quiet sentence in the status bar that something was done. */
import { create } from 'zustand';

export const useNotice = create<{ text: string }>(() => ({ text: '' }));

let timer: ReturnType<typeof setTimeout> | undefined;

/** Shows the sentence for six seconds. */
export function notify(text: string): void {
  useNotice.setState({ text });
  clearTimeout(timer);
  timer = setTimeout(() => useNotice.setState({ text: '' }), 6000);
}
