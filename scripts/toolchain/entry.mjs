// The two lines every script needs: am I the program, and how do I end when something fails.
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** True when the module with this import.meta.url is the program that was started. */
export const isMain = (url) => process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);

/** Runs a script's work; a failure is one message on stderr and exit code 1, with the stack only under MOESCOPE_DEBUG. */
export async function tellAndExit(work) {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${process.env.MOESCOPE_DEBUG ? error.stack : error.message}\n`);
    process.exitCode = 1;
  }
}
