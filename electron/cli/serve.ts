/** `moescope serve`: the window in a browser of this machine, the engine in a process of its own. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AppError } from '../contract/errors';
import { type Contract, contracts } from '../contract/layer';
import { built, requireBuilt, toolVersion } from '../hosts/built';
import { forkEngine } from '../hosts/fork-process';
import { HostClient } from '../hosts/host-client';
import { openBrowser } from '../hosts/open-browser';
import { openAndReport } from '../hosts/opening';
import { EngineSupervisor } from '../hosts/supervisor';
import { terminalReport } from '../hosts/terminal-report';
import { startWebServer } from '../hosts/web-server';

interface ServeOptions {
  port: number;
  threshold?: number;
  contract?: Contract;
  open: boolean;
  json: boolean;
  demoBatches: number;
}

function wholeNumber(largest: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > largest) {
      throw new InvalidArgumentError(`expected a whole number from 0 to ${largest}`);
    }
    return value;
  };
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('serve')
    .description('show the window in a browser: 127.0.0.1 only, with a random token in the printed address')
    .argument('[path]', 'checkpoint folder or .moesession folder to open')
    .option('--port <number>', 'port; 0 for any free one', wholeNumber(65535), 7437)
    .option('--threshold <tokens>', 'CUTLASS prefill threshold, tokens', wholeNumber(2 ** 31 - 1))
    .addOption(new Option('--contract <contract>', 'scale contract of the layer').choices(contracts))
    .option('--open', 'open the address in the browser', false)
    .option(
      '--demo-batches <number>',
      'batches to run and print at the start; 0 opens without running',
      wholeNumber(500),
      8,
    )
    .option('--json', 'one JSON object a line: listening, opened, batch', false)
    .action(serve);
}

async function serve(path: string | undefined, options: ServeOptions): Promise<void> {
  requireBuilt('engineProcess', 'window');
  const report = terminalReport({ json: options.json, out: process.stdout, err: process.stderr });
  const engine = new EngineSupervisor(() => forkEngine(built.engineProcess));
  const version = toolVersion();
  const server = await startWebServer({ port: options.port, bundle: built.window, engine, version }).catch(
    async (error) => {
      await engine.stop();
      throw error;
    },
  );
  const ends: (() => unknown)[] = [() => engine.stop(), () => server.close()];
  const close = async () => {
    await Promise.all(ends.splice(0).map((end) => end()));
  };
  const interrupted = untilInterrupted();
  report.data({ event: 'listening', url: server.url, port: server.port });
  const stopped = await Promise.race([interrupted, show(path, options, engine, report).then(() => false)]).catch(
    async (error) => {
      await close();
      throw error;
    },
  );
  if (!stopped) {
    engine.onGone(({ message }) => process.stderr.write(`${message} Restart it from the window.\n`));
    report.text(`\n${server.url}\nCtrl-C ends it.`);
    if (options.open) ends.push(openBrowser(server.url, (why) => process.stderr.write(`${why}\n`)));
    await interrupted;
  }
  await close();
}

/** Opens the path, if one was given, and shows the first batches. */
async function show(
  path: string | undefined,
  { threshold, contract, demoBatches }: ServeOptions,
  engine: EngineSupervisor,
  report: ReturnType<typeof terminalReport>,
): Promise<void> {
  if (path === undefined) return;
  const client = new HostClient((deliver) => engine.connect(deliver));
  try {
    await openAndReport(client, { path, threshold, contract, batches: demoBatches }, report);
  } catch (thrown) {
    const error = AppError.from(thrown);
    report.data({ event: 'error', error: error.toData() });
    throw error;
  } finally {
    client.close();
  }
}

/** Resolves with true at Ctrl-C or when asked to end. */
function untilInterrupted(): Promise<true> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => done(true));
  });
}
