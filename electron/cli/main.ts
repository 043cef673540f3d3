/** Entry of the bundled command line. */
import { runCli } from './program';

const controller = new AbortController();
let interrupts = 0;
// The first Ctrl-C asks the command to end itself and tidy up; the second does not wait.
process.on('SIGINT', () => {
  if (++interrupts > 1) process.exit(130);
  controller.abort();
});
// A reader that went away (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

runCli(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  env: process.env,
  signal: controller.signal,
}).then((code) => {
  process.exitCode = code;
});
