import { afterEach, describe, expect, it, vi } from 'vitest';
import { invoke, registerCommands, runCommand } from '../../../renderer/commands/registry';
import { dismissFailure, useConnection } from '../../../renderer/stores/connection';
import { idle, trackWork } from '../../../renderer/stores/idle';

afterEach(dismissFailure);

describe('commands', () => {
  it('run by id with arguments, and are refused twice', async () => {
    const stop = registerCommands([{ id: 'test.add', title: 'Add', group: 'Test', run: (args) => [args] }]);
    expect(await runCommand('test.add', 3)).toEqual([3]);
    expect(() => registerCommands([{ id: 'test.add', title: 'Add', group: 'Test', run: () => 0 }])).toThrow(/twice/);
    stop();
    await expect(runCommand('test.add')).rejects.toMatchObject({ code: 'usage', subject: 'test.add' });
  });

  it('say why they cannot run now', async () => {
    const run = vi.fn();
    const stop = registerCommands([
      { id: 'test.no', title: 'No', group: 'Test', unavailable: () => 'Not today.', run },
    ]);
    await expect(runCommand('test.no')).rejects.toMatchObject({ code: 'wrong-state', message: 'Not today.' });
    invoke('test.no');
    await vi.waitFor(() => expect(useConnection.getState().failure?.message).toBe('Not today.'));
    expect(run).not.toHaveBeenCalled();
    stop();
  });
});

describe('idle', () => {
  it('waits for all work and for quiet, and names what it waits for when it gives up', async () => {
    vi.stubGlobal('document', { fonts: { ready: Promise.resolve() } });
    const done = trackWork();
    await expect(idle(() => true, 60)).rejects.toThrow(/1 pieces of work/);
    let finished = false;
    const waiting = idle().then(() => {
      finished = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(finished).toBe(false);
    done();
    done();
    await waiting;
    vi.unstubAllGlobals();
  });
});
