import { describe, expect, it } from 'vitest';
import { cliCommand } from '../../../renderer/commands/cli';
import { chordOf } from '../../../renderer/commands/shortcuts';
import { toCsv } from '../../../renderer/format/csv';
import {
  formatBits,
  formatBytes,
  formatCosine,
  formatCount,
  formatHex,
  formatMicroseconds,
  formatValue,
} from '../../../renderer/format/numbers';
import { type Column, sortRows, tableCsv } from '../../../renderer/tables/columns';
import { checkpoint, emptyState, layer } from '../../fixtures/window/fake-data';

describe('numbers', () => {
  it.each([
    [formatCount(1234567), '1 234 567'],
    [formatCount(null), '-'],
    [formatMicroseconds(0), '0.000 us'],
    [formatMicroseconds(64.131), '64.13 us'],
    [formatMicroseconds(9999), '9999 us'],
    [formatMicroseconds(12345), '12.35 ms'],
    [formatMicroseconds(2.5e6), '2.500 s'],
    [formatValue(0.001953125), '0.001953'],
    [formatValue(1e-9), '1.000e-9'],
    [formatValue(Number.NaN), 'NaN'],
    [formatValue(Number.NEGATIVE_INFINITY), '-Inf'],
    [formatValue(448), '448'],
    [formatCosine(0.9998), '0.999800'],
    [formatBytes(1023), '1023 B'],
    [formatBytes(1572864), '1.50 MiB'],
    [formatBits(0x38, 8), '0011 1000'],
    [formatHex(0x8, 8), '0x08'],
  ])('%s', (shown, wanted) => expect(shown).toBe(wanted));
});

describe('CSV', () => {
  it('quotes what needs quoting and nothing else', () => {
    expect(
      toCsv(
        ['a', 'b'],
        [
          ['x,y', 1.5],
          ['say "hi"', null],
        ],
      ),
    ).toBe('a,b\r\n"x,y",1.5\r\n"say ""hi""",\r\n');
  });

  const columns: Column<{ name: string; size: number | null }>[] = [
    { id: 'name', header: 'Name', width: '1fr', kind: 'text', value: (row) => row.name },
    { id: 'size', header: 'Size', unit: 'B', width: '1fr', kind: 'number', value: (row) => row.size },
  ];
  const rows = [
    { name: 'b', size: null },
    { name: 'a', size: 2 },
    { name: 'c', size: 10 },
  ];

  it('sorts numbers as numbers, what is missing last either way, and leaves the rows alone', () => {
    const names = (descending: boolean) =>
      sortRows(rows, columns, { column: 'size', descending }).map(({ name }) => name);
    expect(names(false)).toEqual(['a', 'c', 'b']);
    expect(names(true)).toEqual(['c', 'a', 'b']);
    expect(sortRows(rows, columns, null)).toBe(rows);
  });

  it('has units in its header', () => expect(tableCsv(columns, rows).split('\r\n')[0]).toBe('Name,Size (B)'));
});

describe('keys and commands', () => {
  const event = { key: 'k', ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
  it('names chords one way', () => {
    expect(chordOf({ ...event, ctrlKey: true })).toBe('Ctrl+K');
    expect(chordOf({ ...event, key: 'P', ctrlKey: true, shiftKey: true })).toBe('Ctrl+Shift+P');
    expect(chordOf({ ...event, key: ' ' })).toBe('Space');
    expect(chordOf({ ...event, key: '+', shiftKey: true })).toBe('+');
  });

  it('writes the command line of what is open, quoted for a shell', () => {
    expect(cliCommand(emptyState())).toBeNull();
    const open = { ...emptyState(), checkpoint: { ...checkpoint, path: "/models/it's here" }, layer };
    expect(cliCommand(open)).toBe(
      `moescope verify '/models/it'\\''s here' --layer 0 --threshold 64 --contract unit-alpha --provider cpu`,
    );
  });
});
