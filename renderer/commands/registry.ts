/** Every action of the window is a command with an id: buttons, shortcuts, the palette and the tests all run the same ones. */
import { AppError } from '../../electron/contract/errors';
import { showFailure } from '../stores/connection';

export interface Command {
  /** "group.action", e.g. "run.pause"; tests and links use it, so it stays */
  id: string;
  title: string;
  /** heading in the palette */
  group: string;
  /** e.g. "Space", "Ctrl+K", "Shift+ArrowLeft" */
  shortcut?: string;
  /** null when it can run now, else one sentence why not */
  unavailable?: () => string | null;
  /** left out of the palette: needs arguments that only code gives */
  hidden?: boolean;
  run: (args?: unknown) => unknown;
}

const commands = new Map<string, Command>();

/** Adds commands; returns a function that takes them away. An id may be registered once. */
export function registerCommands(list: readonly Command[]): () => void {
  for (const command of list) {
    if (commands.has(command.id)) throw new Error(`command ${command.id} is registered twice`);
    commands.set(command.id, command);
  }
  return () => {
    for (const command of list) commands.delete(command.id);
  };
}

export function findCommand(id: string): Command | undefined {
  return commands.get(id);
}

/** All commands in order of registration. */
export function allCommands(): Command[] {
  return [...commands.values()];
}

/**
 * Runs a command and waits for it.
 * @throws AppError `usage` for an unknown id, `wrong-state` where the command is not available; what the command throws.
 */
export async function runCommand(id: string, args?: unknown): Promise<unknown> {
  const command = commands.get(id);
  if (!command) {
    throw new AppError({ code: 'usage', message: `There is no command ${id}.`, subject: id });
  }
  const reason = command.unavailable?.();
  if (reason) throw new AppError({ code: 'wrong-state', message: reason, subject: command.title });
  return command.run(args);
}

/** `runCommand` for buttons and shortcuts: a failure becomes the error card. */
export function invoke(id: string, args?: unknown): void {
  runCommand(id, args).catch((thrown) => showFailure(AppError.from(thrown).toData()));
}
