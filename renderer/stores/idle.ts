/**
 * When the window has nothing left to do, so that tests and pictures wait for a signal and never for a time.
 * Method of Perfetto's idle detector: no pending requests, no queued drawing, no change of the page for 100 ms, fonts ready.
 */

let working = 0;
let lastActivity = 0;
const quietMs = 100;

/** Says that work is under way; call what it returns, once, when it is done. */
export function trackWork(): () => void {
  working++;
  let open = true;
  return () => {
    if (!open) return;
    open = false;
    working--;
    lastActivity = performance.now();
  };
}

/**
 * A painter that draws in the next animation frame, however often it is asked before. For canvases: what is queued here
 * keeps the window from counting as idle.
 * @returns `request` queues a drawing; `cancel` drops it, e.g. when the element goes.
 */
export function framePainter(draw: () => void): { request: () => void; cancel: () => void } {
  let frame = 0;
  let done: (() => void) | null = null;
  const finish = () => {
    frame = 0;
    done?.();
    done = null;
  };
  return {
    request: () => {
      if (frame) return;
      done = trackWork();
      frame = requestAnimationFrame(() => {
        finish();
        draw();
      });
    },
    cancel: () => {
      cancelAnimationFrame(frame);
      finish();
    },
  };
}

/** Starts watching the page for changes; what is `volatile` (times, rates) may change at any time and does not count. */
export function watchPage(root: Node): void {
  lastActivity = performance.now();
  new MutationObserver((records) => {
    if (records.some(({ target }) => !isVolatile(target))) lastActivity = performance.now();
  }).observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
}

function isVolatile(node: Node): boolean {
  const element = node instanceof Element ? node : node.parentElement;
  return !!element?.closest('.volatile');
}

/**
 * Resolves once the window is idle. A running engine sends batches all the time: pause it first.
 * @param ready further conditions, e.g. that the link to the engine is open
 * @throws Error after `timeoutMs`, naming what was still under way.
 */
export async function idle(ready: () => boolean = () => true, timeoutMs = 30_000): Promise<void> {
  const start = performance.now();
  await document.fonts.ready;
  for (;;) {
    const quiet = performance.now() - lastActivity;
    if (working === 0 && quiet >= quietMs && ready()) return;
    if (performance.now() - start > timeoutMs) {
      throw new Error(
        `not idle after ${timeoutMs} ms: ${working} pieces of work, page quiet for ${Math.round(quiet)} ms, ready ${ready()}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
