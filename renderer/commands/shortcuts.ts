/** Keys to commands. Single keys do nothing while someone types; Ctrl and Alt combinations work everywhere. */
import { allCommands, type Command, invoke } from './registry';

/** Second keys for commands that people know from elsewhere. */
const alsoKnownAs: Record<string, string> = { 'Ctrl+Shift+P': 'view.palette', 'Ctrl+Y': 'view.redo' };

/** "Ctrl+Shift+K" for a key event; letters in upper case, space as "Space". */
export function chordOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>): string {
  const key = event.key === ' ' ? 'Space' : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const letter = /^[A-Z]$|^.{2,}$/.test(key);
  return [
    event.ctrlKey || event.metaKey ? 'Ctrl' : '',
    event.altKey ? 'Alt' : '',
    // "+" and "?" need Shift on many keyboards: it is part of the character and not of the chord
    event.shiftKey && letter ? 'Shift' : '',
    key,
  ]
    .filter(Boolean)
    .join('+');
}

/** Starts listening; returns a function that ends it. */
export function startShortcuts(target: Window): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented) return;
    const chord = chordOf(event);
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (plain && isTyping(event.target, chord)) return;
    const command = find(chord);
    if (!command) return;
    event.preventDefault();
    if (!command.unavailable?.()) invoke(command.id);
  };
  target.addEventListener('keydown', onKeyDown);
  return () => target.removeEventListener('keydown', onKeyDown);
}

function find(chord: string): Command | undefined {
  const id = alsoKnownAs[chord];
  return allCommands().find((command) => (id ? command.id === id : command.shortcut === chord));
}

/** Whether the key belongs to the element that has the focus: text, lists, and Space on a button. */
function isTyping(target: EventTarget | null, chord: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('input, textarea, select, [contenteditable], [cmdk-root], dialog')) return true;
  return (chord === 'Space' || chord === 'Enter') && !!target.closest('button, [role="tab"], a');
}
