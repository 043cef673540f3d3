// Measures the tensor explorer on a plane of 1e8 block scales in the real window (web host, Chromium, software GL):
// first tile, frames while panning and zooming, picks, memory. Builds first, writes docs/explorer.json and tells whether the
// goals are met; run it on a quiet machine. --against: another checkout, built; its runs alternate with ours, so that both
// see the same load.
// Usage: node scripts/measure-explorer.mjs [--runs 5] [--seconds 6] [--against FOLDER] [--out docs/explorer.json]
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { ensureChromium } from './ensure-chromium.mjs';
import { largePlane, largeShape, makeLargeCheckpoint } from './explorer/large-checkpoint.mjs';
import { summarize, summaryLines } from './explorer/summary.mjs';
import { frameFigures, installProbe, round } from './explorer/window-probe.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { inRepository, temporaryFolder } from './toolchain/places.mjs';

/** The switches of the end-to-end tests (test/e2e/harness/rendering.ts): software GL by SwiftShader. */
const switches = [
  '--no-sandbox',
  '--disable-gpu',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--force-device-scale-factor=1',
  '--enable-precise-memory-info',
];
const tensors = ['checkpoint/w13_weight_scale', 'b12x/w13_weight_scale', 'cutlass/w13_cutlass_weight_scale'];
const megabytes = (bytes) => round(bytes / 1e6);

async function serve(checkout, checkpoint) {
  const args = ['serve', checkpoint, '--port', '0', '--json', '--demo-batches', '0', '--threshold', '64'];
  const child = spawn(process.execPath, [join(checkout, 'electron/cli/bin.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise((done, failed) => {
    child.once('exit', (code) => failed(new Error(`moescope serve ended with code ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = line.startsWith('{') ? JSON.parse(line) : {};
      if (message.event === 'listening') done(message.url);
    });
  });
  return { url, end: () => child.kill('SIGTERM') };
}

/** Processor seconds that each kind of process has used: "renderer", "GPU", "browser". */
async function processorSeconds(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const seconds = {};
  for (const { type, cpuTime } of processInfo) seconds[type] = (seconds[type] ?? 0) + cpuTime;
  return seconds;
}

/** Private and proportional memory of the renderer process that shows the page, bytes, from Linux. */
async function rendererMemory(browser, page) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const renderers = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => {
      const text = readFileSync(`/proc/${id}/smaps_rollup`, 'utf8');
      const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
      return { resident: of('Rss'), proportional: of('Pss'), private: of('Private_Dirty') + of('Private_Clean') };
    });
  const largest = renderers.sort((a, b) => b.private - a.private)[0];
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
  return { ...largest, heap };
}

/** Wheel and drag with the mouse for `seconds`, over the whole range from the fitted plane to single elements. */
async function panAndZoom(page, seconds, onStep) {
  const box = await page.locator('.heat-map-area').boundingBox();
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const end = Date.now() + seconds * 1000;
  let step = 0;
  while (Date.now() < end) {
    // A wave of eight seconds: in for a while, drag about, out again.
    const phase = step % 160;
    if (phase < 50) {
      await page.mouse.move(centre.x + 40 * Math.sin(step), centre.y + 30 * Math.cos(step));
      await page.mouse.wheel(0, -60);
    } else if (phase < 110) {
      if (phase === 50) {
        await page.mouse.move(centre.x, centre.y);
        await page.mouse.down();
      }
      const turn = (phase - 50) / 10;
      await page.mouse.move(centre.x + 220 * Math.sin(turn), centre.y + 160 * Math.sin(turn * 1.7));
      if (phase === 109) await page.mouse.up();
    } else await page.mouse.wheel(0, 60);
    step++;
    if (step % 20 === 0) await onStep();
  }
  await page.mouse.up();
  return step;
}

async function measure(url, executablePath, seconds) {
  const load = loadavg()[0];
  const browser = await chromium.launch({ executablePath, args: switches });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.addInitScript(installProbe);
    await page.goto(url);
    await page.waitForFunction(() => 'moescope' in window, undefined, { timeout: 60_000 });
    await page.getByTestId('source-badge').filter({ hasText: 'LIVE' }).waitFor({ timeout: 400_000 });
    await page.evaluate(() => window.moescope.command('scales.open', { tensor: 'checkpoint/w2_weight_scale' }));
    await page.evaluate(() => window.moescope.idle());
    const firstTileMs = {};
    for (const tensor of tensors) {
      firstTileMs[tensor] = round(await page.evaluate((id) => window.explorerProbe.firstTile(id), tensor));
      await page.evaluate(() => window.moescope.idle());
    }
    const cells = await page.locator('.heat-map-readout').textContent();
    const memory = [await rendererMemory(browser, page)];
    await page.evaluate(() => {
      window.explorerProbe.frames.length = 0;
      window.explorerProbe.recording = true;
    });
    const before = await processorSeconds(browser);
    const inputs = await panAndZoom(page, seconds, async () => memory.push(await rendererMemory(browser, page)));
    const frames = await page.evaluate(() => {
      window.explorerProbe.recording = false;
      return window.explorerProbe.frames;
    });
    const after = await processorSeconds(browser);
    const busy = Object.fromEntries(Object.keys(after).map((type) => [type, round(after[type] - (before[type] ?? 0))]));
    // The wave ends wherever the machine got to; over single elements two clicks may meet the same one.
    await page.evaluate(() => window.moescope.command('scales.fit'));
    await page.evaluate(() => window.moescope.idle());
    const pickMs = [];
    const box = await page.locator('.heat-map-area').boundingBox();
    for (let at = 0; at < 20; at++) {
      await page.evaluate(() => window.explorerProbe.watchPick());
      await page.mouse.click(box.x + 60 + at * 17, box.y + 40 + at * 9);
      pickMs.push(await page.evaluate(() => window.explorerProbe.picked));
      await page.evaluate(() => window.moescope.idle());
    }
    const most = (key) => megabytes(Math.max(...memory.map((sample) => sample[key])));
    const renderer = await page.evaluate(() => {
      const gl = document.createElement('canvas').getContext('webgl2');
      return gl?.getParameter(gl.getExtension('WEBGL_debug_renderer_info').UNMASKED_RENDERER_WEBGL) ?? 'no WebGL2';
    });
    return {
      load: round(load),
      loadAfter: round(loadavg()[0]),
      gl: renderer,
      shown: cells,
      firstTileMs,
      panAndZoom: { inputs, ...frameFigures(frames), processorSeconds: busy },
      pickMs: pickMs.map(round),
      memoryMB: {
        heap: most('heap'),
        private: most('private'),
        proportional: most('proportional'),
        resident: most('resident'),
      },
    };
  } finally {
    await browser.close();
  }
}

/** A new engine each time: the first look at a tensor is a first look. */
async function oneRun(checkout, checkpoint, executable, seconds) {
  const server = await serve(checkout, checkpoint);
  try {
    return await measure(server.url, executable, seconds);
  } finally {
    server.end();
  }
}

const commitOf = (checkout) =>
  execFileSync('git', ['describe', '--always', '--dirty'], { cwd: checkout, encoding: 'utf8' }).trim();

async function main() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '6' },
      against: { type: 'string' },
      out: { type: 'string', default: inRepository('docs', 'explorer.json') },
    },
  });
  await buildNative();
  await buildBundles();
  const { executable, version } = await ensureChromium();
  const folder = join(temporaryFolder(), 'large');
  console.log('making the checkpoint');
  makeLargeCheckpoint(folder);
  const checkouts = [inRepository(), ...(values.against === undefined ? [] : [resolve(values.against)])];
  const measured = checkouts.map((checkout) => ({ checkout, commit: commitOf(checkout), runs: [] }));
  try {
    for (let run = 0; run < Number(values.runs); run++) {
      for (const { checkout, commit, runs } of run % 2 === 0 ? measured : [...measured].reverse()) {
        runs.push(await oneRun(checkout, folder, executable, Number(values.seconds)));
        console.log(commit, JSON.stringify(runs[runs.length - 1]));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const [own, other] = measured.map(({ commit, runs }) => ({ commit, summary: summarize(runs), runs }));
  const report = {
    tensor: { ...largePlane, cells: largePlane.rows * largePlane.columns, layer: largeShape },
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGB: round(totalmem() / 1e9),
      kernel: release(),
    },
    chromium: version,
    node: process.version,
    measured: new Date().toISOString(),
    ...own,
    ...(other && { against: other }),
  };
  writeFileSync(resolve(values.out), `${JSON.stringify(report, null, 2)}\n`);
  for (const { commit, summary } of [own, other ?? []].flat()) {
    console.log([commit, ...summaryLines(summary)].join('\n  '));
  }
}

if (isMain(import.meta.url)) await tellAndExit(main);
