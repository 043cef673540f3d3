/** Entry of an engine process with the stand-in engine; `--no-addon` makes its load fail as a missing addon does. */
import { AppError } from '../../../electron/contract/errors';
import { runEngineHost } from '../../../electron/hosts/engine-host';
import { openFakeEngine } from './engine';

runEngineHost(async () => {
  if (process.argv.includes('--no-addon')) {
    throw new AppError({ code: 'unsupported', message: 'The native addon could not be loaded.', remedy: 'Build it.' });
  }
  return openFakeEngine;
});
