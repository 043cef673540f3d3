/** Entry of the bundled command line. */
import { exitCodeOf } from '../contract/errors';
import { fileError } from '../engine/checkpoint/file-errors';
import { errorBlock } from './context';
import { runCli } from './program';

const controller = new AbortController();
let interrupts = 0;
// The first Ctrl-C asks the command to end itself and tidy up; the second does not wait.
process.on('SIGINT', () => {
  if (++interrupts > 1) process.exit(130);
  controller.abort();
});
// A reader that went away (`| head`) is no error of ours; a result that could not be written is.
process.stdout.on('error', (thrown: NodeJS.ErrnoException) => {
  if (thrown.code === 'EPIPE') process.exit(0);
  const error = fileError(thrown, 'Standard output');
  process.stderr.write(`${errorBlock(error.toData())}\n`);
  process.exit(exitCodeOf(error.code));
});
// Progress that nobody can read any more does not stop the work.
process.stderr.on('error', () => undefined);

runCli(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  env: process.env,
  signal: controller.signal,
}).then((code) => {
  process.exitCode = code;
});
