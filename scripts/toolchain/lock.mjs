// One builder at a time: a folder is the lock, because mkdir is atomic on every file system.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function holderIsGone(lock) {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'));
    process.kill(pid, 0);
    return false;
  } catch (error) {
    if (error.code === 'EPERM') return false;
    if (error.code === 'ESRCH') return true;
  }
  // No readable pid: its owner is between mkdir and the write, or died there.
  try {
    return Date.now() - statSync(lock).mtimeMs > 10_000;
  } catch {
    return true;
  }
}

/**
 * Runs `work` while holding the lock folder `lock`; a lock whose process is gone is taken over.
 * @param {string} lock path of the lock folder; its parent is made.
 * @param {{ waitS?: number, waiting?: () => void }} options longest wait in seconds, and what to say once when waiting.
 * @throws Error when another live process keeps the lock longer than waitS.
 */
export async function withLock(lock, work, { waitS = 900, waiting = () => {} } = {}) {
  mkdirSync(dirname(lock), { recursive: true });
  const until = Date.now() + waitS * 1000;
  for (let told = false; ; ) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (holderIsGone(lock)) {
      rmSync(lock, { recursive: true, force: true });
      continue;
    }
    if (Date.now() > until)
      throw new Error(`another process has held ${lock} for ${waitS} s; end it or delete that folder`);
    if (!told) waiting();
    told = true;
    await pause(200);
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
