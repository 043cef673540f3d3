/** From settings and a sample of the plane to the Look in force, in the colours of the theme. */
import { useCallback, useMemo, useState } from 'react';
import { useView } from '../stores/view';
import { tokenValue } from '../theme/palette';
import type { Look } from './frame';
import { type LookSettings, makeLook, themeMarks } from './look';
import { emptySample, type Sample, sampleOf } from './range';
import type { SampledTiles } from './scene';

export interface UsedLook {
  look: Look;
  sample: Sample;
  /** to be given to the heat map */
  onSample: (sampled: SampledTiles) => void;
}

/**
 * The sample is the finest look at the whole plane that has been had; zooming in does not change it, so colours stay.
 * The one before stays until the next plane's has come, so that colours do not flash between two planes.
 */
export function useLook(settings: LookSettings): UsedLook {
  const [sampled, setSampled] = useState<SampledTiles | null>(null);
  const theme = useView((state) => state.theme);
  const { channel, mapping } = settings;
  const sample = useMemo(
    () => (sampled ? sampleOf(sampled.tiles, channel, mapping) : emptySample),
    [sampled, channel, mapping],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tokens change their values with the theme
  const look = useMemo(() => makeLook(settings, sample, themeMarks(tokenValue)), [settings, sample, theme]);
  const onSample = useCallback(
    (next: SampledTiles) =>
      setSampled((before) => (before?.key === next.key && !next.whole && before.whole ? before : next)),
    [],
  );
  return { look, sample, onSample };
}
