/** Settings of a heat map as a person chooses them (plain data, fit for a link), and the Look they give on actual values. */

import { colourTable, divergingMaps, type MapName, parseColour, sequentialMaps } from './colormap';
import type { Look, MarkColours, Rgb } from './painter';
import { autoRange, type Channel, type Mapping, type Range } from './range';
import { MARK, type MarkName, markNames } from './source';

export interface LookSettings {
  channel: Channel;
  mapping: Mapping;
  map: MapName;
  log: boolean;
  /** chosen by hand; null = automatic */
  range: Range | null;
  /** automatic range leaves out so many percent of the cells at each end */
  percent: number;
  marks: Record<MarkName, boolean>;
}

export const percentChoices = [0, 0.5, 2] as const;

const allMarks = { zero: true, subnormal: true, saturated: true, nan: true };

/** First settings for a kind of picture. */
export function defaultLook(mapping: Mapping): LookSettings {
  const sequential = mapping === 'sequential';
  return {
    channel: sequential ? 'max' : 'mean',
    mapping,
    map: sequential ? sequentialMaps[0] : divergingMaps[0],
    log: false,
    range: null,
    percent: sequential ? 0 : 0.5,
    marks: allMarks,
  };
}

/** Maps that suit a mapping. */
export function mapsFor(mapping: Mapping): readonly MapName[] {
  return mapping === 'sequential' ? sequentialMaps : divergingMaps;
}

/** @param values sorted values of the whole plane's overview, from which an automatic range is taken */
export function makeLook(settings: LookSettings, values: Float32Array, markColours: MarkColours): Look {
  const range = settings.range ?? autoRange(values, settings.percent, settings.mapping, settings.log);
  const marks = markNames.reduce((bits, name) => (settings.marks[name] ? bits | MARK[name] : bits), 0);
  const { channel, mapping, log } = settings;
  return { channel, mapping, log, range, table: colourTable(settings.map), marks, markColours };
}

/** The mark colours of the theme, in the order of the bits. `read` gives the value of a token. */
export function themeMarks(read: (token: `--${string}`) => string): MarkColours {
  return markNames.map((name) => parseColour(read(`--mark-${name}`)) as Rgb) as unknown as MarkColours;
}
