/** Every command, in the order of the help. A new one adds its line here. */
import type { Command } from 'commander';
import { register as diff } from './diff';
import { register as doctor } from './doctor';
import { register as exportSession } from './export';
import { register as inspect } from './inspect';
import { register as layout } from './layout';
import { register as makeCheckpoint } from './make-checkpoint';
import { register as prepare } from './prepare';
import { register as record } from './record';
import { register as recover } from './recover';
import { register as replay } from './replay';
import { register as run } from './run';
import { register as serve } from './serve';
import { register as verify } from './verify';

export const commands: readonly ((program: Command) => void)[] = [
  verify,
  run,
  record,
  replay,
  diff,
  inspect,
  layout,
  prepare,
  serve,
  makeCheckpoint,
  recover,
  exportSession,
  doctor,
];
