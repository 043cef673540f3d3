/** From settings and the overview of the plane to the Look in force, in the colours of the theme. */
import { useMemo, useState } from 'react';
import { useView } from '../stores/view';
import { tokenValue } from '../theme/palette';
import { type LookSettings, makeLook, themeMarks } from './look';
import type { Look } from './painter';
import { sortedValues } from './range';
import type { Tile } from './source';

export interface UsedLook {
  look: Look;
  /** sorted values of the overview */
  values: Float32Array;
  /** to be given to the heat map */
  setOverview: (tile: Tile | null) => void;
}

/** The overview before stays until the next has come, so that colours do not flash between two planes. */
export function useLook(settings: LookSettings): UsedLook {
  const [overview, setOverview] = useState<Tile | null>(null);
  const theme = useView((state) => state.theme);
  const values = useMemo(
    () => sortedValues(overview ? [overview] : [], settings.channel),
    [overview, settings.channel],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tokens change their values with the theme
  const look = useMemo(() => makeLook(settings, values, themeMarks(tokenValue)), [settings, values, theme]);
  return { look, values, setOverview: (tile) => tile && setOverview(tile) };
}
