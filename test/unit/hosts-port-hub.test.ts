import { describe, expect, it } from 'vitest';
import type { EventPayload, ToWindow } from '../../electron/contract/messages';
import { PortHub } from '../../electron/hosts/port-hub';

type Batches = EventPayload<'batches'>;
const held = (runs: number) => ({ tensors: 1, reordered: 0, runs, graphs: 0 });

describe('a window that stands still beside one that keeps up', () => {
  const hub = new PortHub();
  const delivered: Record<'quick' | 'slow', ToWindow[]> = { quick: [], slow: [] };
  const ids = { quick: 1, slow: 2 };
  for (const [name, id] of Object.entries(ids)) {
    hub.attach(id, (message) => delivered[name as 'quick'].push(message));
  }
  const batches = (change: Partial<Batches>) => {
    hub.post({ type: 'event', name: 'batches', payload: { rows: [], total: 1, dropped: 0, ...change } });
    hub.receive(ids.quick, { type: 'taken', count: 1 });
  };
  const seen = (window: 'quick' | 'slow') =>
    delivered[window].map((message) => (message as { payload: Batches }).payload);

  it('gets what it missed of the device memory with the next event, and once', () => {
    for (let event = 0; event < 16; event++) batches({});
    batches({ dropped: 3, deviceMemory: held(10) });
    batches({ deviceMemory: held(20) });
    batches({});
    expect(seen('slow')).toHaveLength(16);
    expect(seen('quick').filter(({ deviceMemory }) => deviceMemory)).toHaveLength(2);
    hub.receive(ids.slow, { type: 'taken', count: 16 });
    batches({});
    batches({});
    expect(seen('slow').slice(16)).toEqual([
      { rows: [], total: 1, dropped: 3, deviceMemory: held(20) },
      { rows: [], total: 1, dropped: 0 },
    ]);
  });

  it('gets nothing older than the state', () => {
    for (let event = 0; event < 16; event++) batches({});
    batches({ deviceMemory: held(30) });
    hub.post({ type: 'event', name: 'state', payload: { state: 'running', deviceMemory: held(40) } });
    hub.receive(ids.slow, { type: 'taken', count: 18 });
    batches({});
    const [state, event] = delivered.slow.slice(-2) as { name: string; payload: Batches }[];
    expect([state?.name, state?.payload.deviceMemory]).toEqual(['state', held(40)]);
    expect(event?.payload).toEqual({ rows: [], total: 1, dropped: 0 });
  });
});
