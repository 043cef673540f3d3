/** Settings of a heat map as a person chooses them (plain data, fit for a link), and the Look they give on actual values. */

import { colourTable, divergingMaps, type MapName, parseColour, sequentialMaps } from './colormap';
import type { Look, MarkColours, Rgb } from './frame';
import { autoRange, type Channel, type Mapping, type Range, type Sample } from './range';
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
    channel: 'peak',
    mapping,
    map: sequential ? sequentialMaps[0] : divergingMaps[0],
    // Scales spread over powers of ten.
    log: sequential,
    range: null,
    percent: sequential ? 0 : 0.5,
    // In signed data zero and the largest code are everyday values.
    marks: sequential ? allMarks : { ...allMarks, zero: false, subnormal: false, saturated: false },
  };
}

/** Maps that suit a mapping. */
export function mapsFor(mapping: Mapping): readonly MapName[] {
  return mapping === 'sequential' ? sequentialMaps : divergingMaps;
}

/** @param sample cells of the plane, from which an automatic range is taken */
export function makeLook(settings: LookSettings, sample: Sample, markColours: MarkColours): Look {
  const range = settings.range ?? autoRange(sample, settings.percent, settings.mapping, settings.log);
  const marks = markNames.reduce((bits, name) => (settings.marks[name] ? bits | MARK[name] : bits), 0);
  const { channel, mapping, log } = settings;
  return { channel, mapping, log, range, table: colourTable(settings.map), marks, markColours };
}

/** The mark colours of the theme, in the order of the bits. `read` gives the value of a token. */
export function themeMarks(read: (token: `--${string}`) => string): MarkColours {
  return markNames.map((name) => parseColour(read(`--mark-${name}`)) as Rgb) as unknown as MarkColours;
}
