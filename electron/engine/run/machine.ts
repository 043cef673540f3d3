import { AppError } from '../../contract/errors';
import type { EngineState } from '../../contract/session';

export type RunState = EngineState['state'];

/** Where each state may go. A state that is not in a list cannot be reached from there, whatever asks. */
const transitions: Record<RunState, readonly RunState[]> = {
  empty: ['loading', 'replay'],
  loading: ['empty', 'ready', 'paused', 'replay', 'failed'],
  ready: ['running', 'paused', 'loading', 'replay', 'failed'],
  running: ['paused', 'ready', 'failed'],
  paused: ['running', 'ready', 'loading', 'replay', 'failed'],
  replay: ['empty', 'ready', 'paused', 'replay', 'loading'],
  failed: ['empty', 'loading', 'replay', 'ready'],
};

const whatToDo: Record<RunState, string> = {
  empty: 'Open a checkpoint and load a layer first.',
  loading: 'Wait until loading ends, or cancel it.',
  ready: 'Start the run first.',
  running: 'Pause the run first.',
  paused: 'Start the run first.',
  replay: 'Close the session first; a replay cannot run new batches.',
  failed: 'Load the layer again.',
};

/** The engine's one state. Every change is checked against the table above and told to the listener. */
export class RunMachine {
  private current: RunState = 'empty';
  private readonly onChange: (state: RunState) => void;

  constructor(onChange: (state: RunState) => void) {
    this.onChange = onChange;
  }

  get state(): RunState {
    return this.current;
  }

  /** Throws `wrong-state` unless the engine is in one of `states`. */
  require(action: string, ...states: RunState[]): void {
    if (states.includes(this.current)) return;
    throw new AppError({
      code: 'wrong-state',
      message: `Cannot ${action} while the engine is ${this.current}.`,
      expected: states.join(' or '),
      found: this.current,
      remedy: whatToDo[this.current],
    });
  }

  can(next: RunState): boolean {
    return transitions[this.current].includes(next);
  }

  /** Throws `wrong-state` for a change that the table does not have; the same state again is no change. */
  to(next: RunState): void {
    if (next === this.current) return;
    if (!this.can(next))
      throw new AppError({
        code: 'wrong-state',
        message: `The engine cannot go from ${this.current} to ${next}.`,
        remedy: whatToDo[this.current],
      });
    this.current = next;
    this.onChange(next);
  }
}
