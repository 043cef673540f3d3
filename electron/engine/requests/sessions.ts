import type { Handlers } from './handler';

type Names =
  | 'session.record'
  | 'session.stopRecording'
  | 'session.open'
  | 'session.close'
  | 'session.seek'
  | 'session.play'
  | 'session.annotate';

/** Recording and replay. */
export const sessionHandlers: Handlers<Names> = {
  'session.record': async ({ inspector }, { path, taps, notes }) => {
    await inspector.record(path, { taps, ...(notes !== undefined && { notes }) });
    return {};
  },
  'session.stopRecording': ({ inspector }) => inspector.stopRecording(),
  'session.open': ({ inspector }, { path }) => inspector.openSession(path),
  'session.close': async ({ inspector }) => {
    await inspector.closeSession();
    return {};
  },
  'session.seek': ({ inspector }, { batch }) => ({ batch: inspector.replay('seek').seek(batch) }),
  'session.play': ({ inspector }, { rate }) => {
    inspector.replay('play').play(rate);
    return {};
  },
  'session.annotate': async ({ inspector }, change) => {
    await inspector.annotate(change);
    return {};
  },
};
