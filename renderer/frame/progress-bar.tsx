/** What a person waits for: a thin bar with its label and Cancel, once it takes longer than 300 ms. */
import { useEffect, useState } from 'react';
import { useConnection } from '../stores/connection';
import './progress-bar.css';

const patience = 300; // milliseconds

export function ProgressBar() {
  const task = useConnection((state) => state.tasks[0] ?? null);
  const more = useConnection((state) => state.tasks.length - 1);
  const [due, setDue] = useState<number | null>(null);
  useEffect(() => {
    if (!task) return setDue(null);
    const wait = Math.max(0, task.startedAt + patience - performance.now());
    const timer = setTimeout(() => setDue(task.key), wait);
    return () => clearTimeout(timer);
  }, [task?.key, task?.startedAt, task]);
  if (!task || due !== task.key) return null;
  const share = task.total > 0 ? Math.min(1, task.done / task.total) : null;
  return (
    <div className="progress" data-testid="progress">
      <div
        className="progress-track"
        role="progressbar"
        aria-label={task.label}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(share !== null && { 'aria-valuenow': Math.round(share * 100) })}
      >
        <div className="progress-done" style={{ width: `${(share ?? 0.3) * 100}%` }} />
      </div>
      <span className="progress-label">
        {task.label}
        {share !== null && <span className="number"> {Math.round(share * 100)} %</span>}
        {more > 0 && <span className="muted"> and {more} more</span>}
      </span>
      <button type="button" className="button small" onClick={task.cancel}>
        Cancel
      </button>
    </div>
  );
}
