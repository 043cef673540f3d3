/** A command that ends well may still say that a check failed. */
import type { Command } from 'commander';

const codes = new WeakMap<Command, number>();

function root(command: Command): Command {
  return command.parent ? root(command.parent) : command;
}

/** Ends the program with this code although nothing was thrown: 1 for a check that failed. */
export function setExitCode(command: Command, code: number): void {
  codes.set(root(command), code);
}

export function takeExitCode(program: Command): number {
  return codes.get(program) ?? 0;
}
