/** Colour-blind-safe maps as tables of 256 RGBA colours. Sequential ones rise in lightness, diverging ones are symmetric about white. */
import {
  interpolateCividis,
  interpolateInferno,
  interpolatePuOr,
  interpolateRdBu,
  interpolateViridis,
} from 'd3-scale-chromatic';

export const sequentialMaps = ['viridis', 'cividis', 'inferno'] as const;
export const divergingMaps = ['rdbu', 'puor'] as const;
export type MapName = (typeof sequentialMaps)[number] | (typeof divergingMaps)[number];
export const mapTitles: Record<MapName, string> = {
  viridis: 'Viridis',
  cividis: 'Cividis',
  inferno: 'Inferno',
  rdbu: 'Blue – red',
  puor: 'Purple – orange',
};

/** Low end first. RdBu and PuOr are turned so that blue or purple is negative. */
const interpolators: Record<MapName, (t: number) => string> = {
  viridis: interpolateViridis,
  cividis: interpolateCividis,
  inferno: interpolateInferno,
  rdbu: (t) => interpolateRdBu(1 - t),
  puor: (t) => interpolatePuOr(1 - t),
};

/** "#rrggbb" or "rgb(r, g, b)" as three bytes. */
export function parseColour(text: string): [number, number, number] {
  const hex = /^#([0-9a-f]{6})$/i.exec(text.trim());
  if (hex?.[1]) {
    const value = Number.parseInt(hex[1], 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }
  const numbers = text.match(/[\d.]+/g);
  if (!numbers || numbers.length < 3) throw new Error(`Colour "${text}": expected #rrggbb or rgb(r, g, b).`);
  return [Number(numbers[0]), Number(numbers[1]), Number(numbers[2])];
}

const tables = new Map<MapName, Uint8Array>();

/** Uint8 [256 * 4], RGBA, opaque. */
export function colourTable(name: MapName): Uint8Array {
  const known = tables.get(name);
  if (known) return known;
  const table = new Uint8Array(256 * 4);
  for (let index = 0; index < 256; index++) {
    table.set(parseColour(interpolators[name](index / 255)), index * 4);
    table[index * 4 + 3] = 255;
  }
  tables.set(name, table);
  return table;
}
