/** `moescope serve`: the window in a browser of this machine, the engine in a process of its own. */
import { type Command, Option } from 'commander';
import { AppError } from '../contract/errors';
import type { Contract } from '../contract/layer';
import { built, requireBuilt, toolVersion } from '../hosts/built';
import { forkEngine } from '../hosts/fork-process';
import { HostClient } from '../hosts/host-client';
import { openBrowser } from '../hosts/open-browser';
import { openAndReport, type Report } from '../hosts/opening';
import { EngineSupervisor } from '../hosts/supervisor';
import { terminalReport } from '../hosts/terminal-report';
import { startWebServer } from '../hosts/web-server';
import { CliContext, ReportedError } from './context';
import { addOptions, contractOption, jsonOption, thresholdOption, wholeNumber } from './options';

interface ServeOptions {
  port: number;
  threshold?: number;
  contract: Contract;
  open?: boolean;
  demoBatches: number;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('serve')
    .description('show the window in a browser: on 127.0.0.1 only, with a random token in the printed address')
    .argument('[path]', 'checkpoint folder or .moesession folder to open');
  addOptions(
    command,
    new Option('--port <number>', 'port; 0 for any free one').argParser(wholeNumber(0, 65535)).default(7437),
    thresholdOption(),
    contractOption(),
    new Option('--open', 'open the address in the browser'),
    new Option('--demo-batches <number>', 'batches to run and print at the start; 0 opens without running')
      .argParser(wholeNumber(0, 500))
      .default(8),
    jsonOption(),
  ).action(serve);
}

async function serve(path: string | undefined, options: ServeOptions, command: Command): Promise<void> {
  const { json, signal } = new CliContext(command);
  requireBuilt('engineProcess', 'window');
  const report = terminalReport({ json, out: process.stdout, err: process.stderr });
  const interrupted = untilInterrupted(signal);
  const engine = new EngineSupervisor(() => forkEngine(built.engineProcess));
  const ends: (() => unknown)[] = [() => engine.stop()];
  try {
    const server = await startWebServer({ port: options.port, bundle: built.window, engine, version: toolVersion() });
    ends.push(() => server.close());
    report.data({ event: 'listening', url: server.url, port: server.port });
    const shown = show(path, options, engine, report).then(() => 'shown' as const);
    if ((await Promise.race([interrupted, shown])) === 'interrupted') return;
    engine.onGone(({ message }) => process.stderr.write(`${message} Restart it from the window.\n`));
    report.text(`\n${server.url}\nCtrl-C ends it.`);
    if (options.open) ends.push(openBrowser(server.url, (why) => process.stderr.write(`${why}\n`)));
    await interrupted;
  } catch (thrown) {
    const error = AppError.from(thrown);
    report.data({ event: 'error', error: error.toData() });
    throw json ? new ReportedError(error) : error;
  } finally {
    await Promise.all(ends.map((end) => end()));
  }
}

/** Opens the path, if one was given, and shows the first batches. */
async function show(
  path: string | undefined,
  { threshold, contract, demoBatches }: ServeOptions,
  engine: EngineSupervisor,
  report: Report,
): Promise<void> {
  if (path === undefined) return;
  const client = new HostClient((deliver) => engine.connect(deliver));
  try {
    await openAndReport(client, { path, threshold, contract, batches: demoBatches }, report);
  } catch (thrown) {
    const { code, message } = AppError.from(thrown);
    // A fault of the engine does not end the server: the window says it too and offers a new engine.
    if (code !== 'engine-gone') throw thrown;
    process.stderr.write(`${message} Restart it from the window.\n`);
  } finally {
    client.close();
  }
}

/** Resolves at Ctrl-C (which the program turns into the signal) or when the process is asked to end. */
function untilInterrupted(signal: AbortSignal): Promise<'interrupted'> {
  return new Promise((done) => {
    const end = () => done('interrupted');
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
    for (const name of ['SIGTERM', 'SIGHUP'] as const) process.once(name, end);
  });
}
