import type { Page } from '@playwright/test';

/** One input as the page saw it. */
export interface InputLatency {
  type: string;
  /** the event's own time stamp, by the page's clock */
  at: number;
  /** from the event's own time stamp to the frame after it, milliseconds: waiting, handling and drawing */
  ms: number;
}

export interface LatencyReport {
  inputs: InputLatency[];
  /** longest time between two animation frames, milliseconds */
  longestFrameGap: number;
  /** labels of the progress bar, and the largest share it showed, percent */
  progress: { labels: string[]; most: number };
}

interface Probe extends LatencyReport {
  stop(): void;
}

/** Starts to measure every key and pointer press in the page, and to note what the progress bar shows. */
export function startLatencyProbe(page: Page): Promise<void> {
  return page.evaluate(() => {
    const probe: Probe = {
      inputs: [],
      longestFrameGap: 0,
      progress: { labels: [], most: 0 },
      stop: () => undefined,
    };
    let running = true;
    const note = (event: Event) => {
      const at = event.timeStamp;
      requestAnimationFrame(() => {
        // A message comes after the frame's own work, so what drawing costs is in the figure.
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => probe.inputs.push({ type: event.type, at, ms: performance.now() - at });
        port2.postMessage(0);
      });
    };
    let last = performance.now();
    const frame = () => {
      const now = performance.now();
      probe.longestFrameGap = Math.max(probe.longestFrameGap, now - last);
      last = now;
      const bar = document.querySelector('[data-testid=progress] [role=progressbar]');
      const label = bar?.getAttribute('aria-label');
      if (label && !probe.progress.labels.includes(label)) probe.progress.labels.push(label);
      probe.progress.most = Math.max(probe.progress.most, Number(bar?.getAttribute('aria-valuenow') ?? 0));
      if (running) requestAnimationFrame(frame);
    };
    for (const type of ['keydown', 'pointerdown']) addEventListener(type, note, true);
    requestAnimationFrame(frame);
    probe.stop = () => {
      running = false;
      for (const type of ['keydown', 'pointerdown']) removeEventListener(type, note, true);
    };
    (window as unknown as { latencyProbe: Probe }).latencyProbe = probe;
  });
}

/** Ends the measurement and gives what was seen. */
export function endLatencyProbe(page: Page): Promise<LatencyReport> {
  return page.evaluate(async () => {
    const probe = (window as unknown as { latencyProbe: Probe }).latencyProbe;
    await new Promise((done) => setTimeout(done, 200)); // the last presses are drawn
    probe.stop();
    const { inputs, longestFrameGap, progress } = probe;
    return { inputs, longestFrameGap, progress };
  });
}
