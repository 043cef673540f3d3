/** rtol and atol; the request follows the typing after a moment, the older one is cancelled. */
import { useEffect, useState } from 'react';
import { setTolerance, useView } from '../../stores/view';

const DEBOUNCE_MS = 200;

/** A tolerance as typed: a number, zero or more. null = not one. */
export function parseTolerance(text: string): number | null {
  const value = Number(text);
  return text.trim() !== '' && Number.isFinite(value) && value >= 0 ? value : null;
}

export function ToleranceFields() {
  return (
    <span className="tolerance" title="An element is within tolerance when |a - b| <= atol + rtol * |b|">
      <ToleranceField name="rtol" />
      <ToleranceField name="atol" />
    </span>
  );
}

function ToleranceField({ name }: { name: 'rtol' | 'atol' }) {
  const value = useView((state) => state.tolerance[name]);
  const [text, setText] = useState(String(value));
  useEffect(() => setText((before) => (parseTolerance(before) === value ? before : String(value))), [value]);
  const typed = parseTolerance(text);
  useEffect(() => {
    if (typed === null || typed === useView.getState().tolerance[name]) return;
    const timer = setTimeout(() => setTolerance({ [name]: typed }), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [typed, name]);
  const step = (factor: number) => setTolerance({ [name]: Number((value * factor).toPrecision(3)) });
  return (
    <label>
      {name}
      <input
        className="input number tolerance-input"
        aria-label={name}
        aria-invalid={typed === null}
        value={text}
        size={9}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && typed !== null) setTolerance({ [name]: typed });
          if (event.key === 'ArrowUp') step(2);
          if (event.key === 'ArrowDown') step(0.5);
        }}
        title={`${name}: a number, zero or more. Arrow up doubles it, arrow down halves it.`}
      />
    </label>
  );
}
