/** Fit, one to one and zoom, for those who do not use the wheel. */
import type { View } from './viewport';

export type ViewChange = 'fit' | 'one-to-one' | 'in' | 'out';

export interface ViewButtonsProps {
  view: View | null;
  onView: (change: ViewChange) => void;
}

export function ViewButtons({ view, onView }: ViewButtonsProps) {
  return (
    <fieldset className="view-buttons plain-fieldset" aria-label="Zoom">
      <button
        type="button"
        className="button small"
        aria-pressed={view === null}
        title="Whole plane (0)"
        onClick={() => onView('fit')}
      >
        Fit
      </button>
      <button
        type="button"
        className="button small"
        title="One element, one pixel (1)"
        onClick={() => onView('one-to-one')}
      >
        1:1
      </button>
      <button
        type="button"
        className="button small icon"
        aria-label="Zoom out"
        title="Zoom out (-)"
        onClick={() => onView('out')}
      >
        −
      </button>
      <button
        type="button"
        className="button small icon"
        aria-label="Zoom in"
        title="Zoom in (+)"
        onClick={() => onView('in')}
      >
        +
      </button>
    </fieldset>
  );
}
