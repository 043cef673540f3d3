// Clocks inside the window: when the heat map draws its first tile, how long frames and picks take.

/** Runs in the page before its own code. Everything is under window.explorerProbe; times are performance.now(). */
export function installProbe() {
  const probe = { draws: [], frames: [], recording: false };
  const draw = WebGL2RenderingContext.prototype.drawArrays;
  WebGL2RenderingContext.prototype.drawArrays = function (...args) {
    // Named by what the heat map says it shows: a drawing of the tensor before is not the first of the next.
    const shown = document.querySelector('.heat-map-area')?.getAttribute('aria-label') ?? '';
    probe.draws.push({ time: performance.now(), shown });
    return draw.apply(this, args);
  };
  const tick = (now) => {
    if (probe.recording) probe.frames.push(now);
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);

  /** Opens a tensor in Scales and resolves with the milliseconds from the command until its first tile was drawn. */
  probe.firstTile = async (tensor) => {
    probe.draws.length = 0;
    const start = performance.now();
    await window.moescope.command('scales.open', { tensor });
    for (;;) {
      const drawn = probe.draws.find(({ shown }) => shown.startsWith(tensor));
      if (drawn !== undefined) return drawn.time - start;
      if (performance.now() - start > 60_000) throw new Error('no tile in 60 s');
      await new Promise(requestAnimationFrame);
    }
  };
  /** Watches for one pick: `picked` becomes the milliseconds from the release of the pointer to the card that names the element. */
  probe.watchPick = () => {
    probe.picked = new Promise((done, failed) => {
      let start = 0;
      const before = document.querySelector('[data-testid="scales-pick"]')?.textContent ?? '';
      const limit = setTimeout(() => failed(new Error('no card in 10 s')), 10_000);
      window.addEventListener(
        'pointerup',
        () => {
          start = performance.now();
        },
        { once: true, capture: true },
      );
      const watch = new MutationObserver(() => {
        const card = document.querySelector('[data-testid="scales-pick"]');
        if (start === 0 || !card || card.textContent === before) return;
        clearTimeout(limit);
        watch.disconnect();
        done(performance.now() - start);
      });
      watch.observe(document.body, { subtree: true, childList: true, characterData: true });
    });
  };
  window.explorerProbe = probe;
}

/** Times between frames in milliseconds, as what a person feels: rate, median, 95th and 99th percentile, longest. */
export function frameFigures(times) {
  const steps = times.slice(1).map((time, at) => time - times[at]);
  const sorted = [...steps].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const seconds = (times[times.length - 1] - times[0]) / 1000;
  return {
    seconds: round(seconds),
    frames: steps.length,
    perSecond: round(steps.length / seconds),
    medianMs: round(at(0.5)),
    p95Ms: round(at(0.95)),
    p99Ms: round(at(0.99)),
    longestMs: round(sorted[sorted.length - 1] ?? 0),
  };
}

export const round = (value) => Math.round(value * 10) / 10;
