/** The command line as a whole: one program, its commands, its exit codes. */
import { Command, CommanderError } from 'commander';
import { AppError, exitCodeOf } from '../contract/errors';
import { toolVersion } from '../hosts/built';
import { commands } from './commands';
import { errorBlock, type Io, ReportedError, setIo } from './context';
import { takeExitCode } from './exit-code';

const exitCodes = `
Exit codes:
  0 fine   1 a check failed   2 usage   3 bad input   4 cannot run here (capability, device)   5 internal`;

/** The program with every command registered. Errors are thrown, not printed; see `runCli`. */
export function buildProgram(io: Io): Command {
  const program = new Command('moescope')
    .description('inspect NVFP4 mixture-of-experts layers with hybrid b12x / CUTLASS dispatch')
    .version(toolVersion(), '-V, --version', 'print the version')
    .option('--json', 'print the result as JSON on stdout; errors as {"error": ...}')
    .helpCommand('help [command]', 'show help for a command')
    .addHelpText('after', exitCodes)
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      // The message is in the thrown error and printed once, in the one form that all errors have.
      outputError: () => undefined,
    });
  setIo(program, io);
  for (const register of commands) register(program);
  return program;
}

/** Runs one command line. Returns the exit code; never throws. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const program = buildProgram(io);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return takeExitCode(program);
  } catch (thrown) {
    return report(thrown, args, io);
  }
}

function report(thrown: unknown, args: readonly string[], io: Io): number {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
  const error = thrown instanceof CommanderError ? usageError(thrown, args) : AppError.from(thrown);
  if (thrown instanceof ReportedError) return exitCodeOf(error.code);
  if (args.includes('--json')) io.out.write(`${JSON.stringify({ error: error.toData() })}\n`);
  else {
    io.err.write(`${errorBlock(error.toData())}\n`);
    if (error.code === 'internal' && thrown instanceof Error && thrown.stack) io.err.write(`${thrown.stack}\n`);
  }
  return exitCodeOf(error.code);
}

function usageError(thrown: CommanderError, args: readonly string[]): AppError {
  // Commander printed the help and throws this when there is no command, or one that `help` does not know.
  if (thrown.code === 'commander.help') {
    const [word] = args.filter((arg) => !arg.startsWith('-') && arg !== 'help');
    return new AppError({
      code: 'usage',
      message: word === undefined ? 'A command is missing.' : `unknown command '${word}'.`,
      remedy: 'See `moescope help` and `moescope help COMMAND`.',
    });
  }
  const [first, ...suggestion] = thrown.message.replace(/^error: /, '').split('\n');
  return new AppError({
    code: 'usage',
    message: `${(first ?? thrown.message).replace(/\.$/, '')}.`,
    remedy: suggestion.join(' ').replace(/[()]/g, '').trim() || 'See `moescope help` and `moescope help COMMAND`.',
  });
}
