import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { runStates } from '../../../electron/contract/session';
import { RunMachine } from '../../../electron/engine/run/machine';

describe('state machine', () => {
  it('walks the way of a run and tells of each change once', () => {
    const told: string[] = [];
    const machine = new RunMachine((state) => told.push(state));
    for (const state of [
      'loading',
      'ready',
      'running',
      'running',
      'paused',
      'replay',
      'paused',
      'loading',
      'paused',
    ] as const)
      machine.to(state);
    expect(told).toEqual(['loading', 'ready', 'running', 'paused', 'replay', 'paused', 'loading', 'paused']);
  });

  it('never leaves the states, and a refused change leaves it where it was', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...runStates), { maxLength: 40 }), (wanted) => {
        const machine = new RunMachine(() => undefined);
        for (const next of wanted) {
          const before = machine.state;
          const allowed = machine.can(next) || next === before;
          try {
            machine.to(next);
            expect(allowed).toBe(true);
            expect(machine.state).toBe(next);
          } catch (thrown) {
            expect(AppError.from(thrown).code).toBe('wrong-state');
            expect(machine.state).toBe(before);
          }
        }
      }),
    );
  });

  it('runs only from ready and paused, and not at all in a replay', () => {
    const machine = new RunMachine(() => undefined);
    expect(machine.can('running')).toBe(false);
    machine.to('replay');
    expect(machine.can('running')).toBe(false);
    expect(() => machine.require('start a run', 'ready', 'paused')).toThrow(
      /Cannot start a run while the engine is replay/,
    );
  });
});
