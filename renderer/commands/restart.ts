/** A new engine with what was open in the one that ended. Batches that were not recorded are gone with it. */
import type { EngineState } from '../../electron/contract/session';
import type { EngineClient } from '../client';
import { notify } from '../frame/notice';
import { useConnection } from '../stores/connection';
import { ask } from '../stores/request';

/** Does nothing while the engine lives. @throws AppError as opening does: the folder may be gone, the device lost. */
export async function restartEngine(): Promise<void> {
  const { client, engine: before, link } = useConnection.getState();
  if (!client) return;
  if (link.status === 'open') return client.shell.restart();
  const back = untilOpen(client);
  await client.shell.restart();
  await back;
  if (before) await reopen(before);
}

function untilOpen(client: EngineClient): Promise<void> {
  return new Promise((done) => {
    const stop = client.onConnection(({ status }) => {
      if (status !== 'open') return;
      stop();
      done();
    });
  });
}

async function reopen(before: EngineState): Promise<void> {
  const { session, checkpoint, layer, position, batches } = before;
  if (session) {
    await ask('session.open', { path: session.path }, { label: `Opening ${session.path}` });
    if (position >= 0 && position < batches - 1) await ask('session.seek', { batch: position });
    notify(`The engine is new; ${session.name} is open again.`);
    return;
  }
  if (!checkpoint) return;
  await ask('checkpoint.open', { path: checkpoint.path }, { label: `Opening ${checkpoint.path}` });
  await ask('run.workload', before.workload);
  if (!layer) return;
  const { contract, rules, threshold, device } = before;
  await ask(
    'layer.load',
    {
      ...{ layer: layer.index, merge: layer.merge, contract, rules },
      ...{ threshold: threshold.tokens, thresholdOrigin: threshold.origin },
      ...(device && { provider: device.provider }),
    },
    { label: `Loading layer ${layer.index}` },
  );
  notify(`The engine is new; layer ${layer.index} is loaded again, its batches are gone.`);
}
