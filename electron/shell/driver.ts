/**
 * Test mode under Playwright: the first window waits until Playwright is attached. A window that navigates while it is
 * being attached to leaves `_electron.launch` waiting for ever (seen in 2 of 6 launches on a busy machine). Playwright's
 * own loader holds the start back for this reason, but it is not preloaded when `executablePath` is given; its last step
 * of a launch is still to call `__playwright_run` in the main process.
 */

/** A start that nobody attaches to after all goes on after this time, milliseconds. */
const patienceMs = 10_000;

/** Resolves when Playwright is attached. */
export function untilDriven(place: { __playwright_run?: () => void } = globalThis as object): Promise<void> {
  return new Promise((done) => {
    const limit = setTimeout(done, patienceMs);
    place.__playwright_run = () => {
      clearTimeout(limit);
      done();
    };
  });
}
