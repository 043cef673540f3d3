/** A share of the squared error as a bar from 0, with its 95 % interval as a whisker. */
import { type CauseRow, intervalText, shareText } from './causes-rows';
import './share-bar.css';

interface ShareBarProps {
  row: CauseRow;
  domain: { low: number; high: number };
}

export function ShareBar({ row: { name, share, interval, kind }, domain: { low, high } }: ShareBarProps) {
  const at = (value: number) => ((value - low) / (high - low)) * 100;
  const span = (from: number, to: number) => ({ left: `${at(from)}%`, width: `${at(to) - at(from)}%` });
  const label = `${name}: ${shareText(share)}${interval ? `, 95 % interval ${intervalText(interval)} %` : ''}`;
  return (
    <span className={`cause-bar ${kind}`} role="img" aria-label={label} title={label}>
      <span className="cause-fill" style={span(Math.min(0, share), Math.max(0, share))} />
      {interval && interval[1] > interval[0] && <span className="share-whisker" style={span(...interval)} />}
      {low < 0 && <span className="share-zero" style={{ left: `${at(0)}%` }} />}
    </span>
  );
}
