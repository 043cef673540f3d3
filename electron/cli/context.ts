/** What a command gets beside its options: where to print, progress, cancellation, and the rule how errors are shown. */
import type { Command } from 'commander';
import { AppError, type AppErrorData } from '../contract/errors';
import type { CancelFlag, NativeBinding, TaskOptions } from '../engine/native/binding';
import { loadBinding } from '../engine/native/load';

export interface Stream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** The world outside; tests give their own. */
export interface Io {
  out: Stream;
  err: Stream;
  env: Record<string, string | undefined>;
  signal: AbortSignal;
}

const worlds = new WeakMap<Command, Io>();

/** Ties a program to its streams. */
export function setIo(program: Command, io: Io): void {
  worlds.set(program, io);
}

function ioOf(command: Command): Io {
  for (let at: Command | null = command; at; at = at.parent) {
    const io = worlds.get(at);
    if (io) return io;
  }
  throw new AppError({ code: 'internal', message: `Command ${command.name()} belongs to no program.` });
}

export class CliContext {
  readonly json: boolean;
  readonly env: Io['env'];
  readonly signal: AbortSignal;
  private readonly io: Io;
  private label = '';
  private shown = '';
  private lineOpen = false;

  constructor(command: Command) {
    this.io = ioOf(command);
    this.json = command.optsWithGlobals().json === true;
    this.env = this.io.env;
    this.signal = this.io.signal;
  }

  /** Prints the result: as text, or with --json the object, on one line. */
  result(data: unknown, text: () => string): void {
    this.endLine();
    this.io.out.write(this.json ? `${JSON.stringify(data)}\n` : `${text().trimEnd()}\n`);
  }

  /** A remark on stderr. */
  note(text: string): void {
    this.endLine();
    this.io.err.write(`${text}\n`);
  }

  warn(text: string): void {
    this.note(`warning: ${text}`);
  }

  /** Progress on stderr: one line that is rewritten on a terminal, else a line for each new label and each tenth. */
  progress(label: string, done: number, total: number): void {
    const share = total > 0 ? Math.min(1, done / total) : 1;
    if (this.io.err.isTTY === true) {
      this.io.err.write(`\r\x1b[K${label} ${Math.floor(share * 100)} %`);
      this.lineOpen = true;
    } else {
      const shown = `${label} ${Math.floor(share * 10) * 10} %`;
      if (shown !== this.shown && (label !== this.label || share > 0)) this.io.err.write(`${shown}\n`);
      this.shown = shown;
    }
    this.label = label;
  }

  private endLine(): void {
    if (this.lineOpen) this.io.err.write('\r\x1b[K');
    this.lineOpen = false;
  }

  /** @throws AppError `unsupported` when the addon is not there. */
  binding(): NativeBinding {
    return loadBinding();
  }

  /** Progress and cancellation for one piece of native work. */
  task(label: string): TaskOptions & { cancel: CancelFlag } {
    return { cancel: this.cancelFlag(), onProgress: (done, total) => this.progress(label, done, total) };
  }

  /** A native flag that is raised when the user cancels. */
  cancelFlag(): CancelFlag {
    const flag = this.binding().createCancelFlag();
    if (this.signal.aborted) flag.cancel();
    else this.signal.addEventListener('abort', () => flag.cancel(), { once: true });
    return flag;
  }
}

/** An error that the printed JSON holds already: it only sets the exit code. */
export class ReportedError extends AppError {
  constructor(error: AppError) {
    super(error.toData());
    this.name = 'ReportedError';
  }
}

/** An error as one block for people. */
export function errorBlock(error: AppErrorData): string {
  const facts = [
    ['at', error.subject],
    ['expected', error.expected],
    ['found', error.found],
    ['to do', error.remedy],
  ] as const;
  const lines = facts.filter(([, value]) => value !== undefined).map(([name, value]) => `  ${name.padEnd(8)} ${value}`);
  return [`error (${error.code}): ${error.message}`, ...lines].join('\n');
}
