/** The command line that checks the same thing without a window. */
import type { EngineState } from '../../electron/contract/session';

/** `moescope replay` of the open session, else `moescope verify` of the loaded layer; null when nothing is open. */
export function cliCommand(engine: EngineState | null): string | null {
  if (engine?.session) return `moescope replay ${quoted(engine.session.path)} --rerun`;
  if (!engine?.checkpoint) return null;
  const words = ['moescope', 'verify', quoted(engine.checkpoint.path)];
  if (engine.layer) words.push('--layer', String(engine.layer.index));
  words.push('--threshold', String(engine.threshold.tokens), '--contract', engine.contract);
  if (engine.device) words.push('--provider', engine.device.provider);
  return words.join(' ');
}

/** For a POSIX shell: plain where nothing needs quoting. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
