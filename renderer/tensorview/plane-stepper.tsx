/** Which plane (expert) is shown: step, type, or go to the ends. */
import { useEffect, useState } from 'react';

export interface PlaneStepperProps {
  /** "expert", "plane" */
  name: string;
  plane: number;
  planes: number;
  onChange: (plane: number) => void;
}

export function PlaneStepper({ name, plane, planes, onChange }: PlaneStepperProps) {
  const [text, setText] = useState(String(plane));
  useEffect(() => setText(String(plane)), [plane]);
  const commit = () => {
    const wanted = Number(text);
    if (Number.isInteger(wanted) && wanted >= 0 && wanted < planes) onChange(wanted);
    else setText(String(plane));
  };
  return (
    <fieldset className="plane-stepper plain-fieldset" aria-label={`${name} shown`}>
      <span className="muted">{name}</span>
      <button
        type="button"
        className="button small icon"
        aria-label={`Previous ${name}`}
        disabled={plane <= 0}
        onClick={() => onChange(plane - 1)}
      >
        ‹
      </button>
      <input
        className="input number small"
        aria-label={`${name} number`}
        value={text}
        size={4}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
          if (event.key === 'ArrowUp' && plane + 1 < planes) onChange(plane + 1);
          if (event.key === 'ArrowDown' && plane > 0) onChange(plane - 1);
        }}
      />
      <button
        type="button"
        className="button small icon"
        aria-label={`Next ${name}`}
        disabled={plane + 1 >= planes}
        onClick={() => onChange(plane + 1)}
      >
        ›
      </button>
      <span className="number muted">of {planes}</span>
    </fieldset>
  );
}
