// What `electron FOLDER` does in a release of Electron: start the app in that folder. The test binary comes without it,
// so this file is packed as its resources/default_app.asar.
const { app } = require('electron');
const { readFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const folder = process.argv.slice(1).find((argument) => !argument.startsWith('-'));
if (!folder) {
  process.stderr.write('usage: electron [switches] FOLDER [arguments]\n');
  app.exit(2);
} else {
  start(resolve(folder));
}

function start(path) {
  const about = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  app.setName(about.productName ?? about.name);
  app.setVersion(about.version ?? '0.0.0');
  app.setAppPath(path);
  const userData = app.commandLine.getSwitchValue('user-data-dir');
  app.setPath('userData', userData || join(app.getPath('appData'), app.getName()));
  require(join(path, about.main ?? 'index.js'));
}
