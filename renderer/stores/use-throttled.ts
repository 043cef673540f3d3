/** A value that changes often, handed on at a bounded rate: for what is costly to draw. */
import { useEffect, useRef, useState } from 'react';
import { trackWork } from './idle';

/** The newest value, at most once every `ms`; the last one always arrives. */
export function useThrottled<T>(value: T, ms: number): T {
  const [shown, setShown] = useState(value);
  const newest = useRef(value);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const done = useRef<() => void>(() => undefined);
  newest.current = value;
  useEffect(() => {
    if (timer.current !== null || Object.is(value, shown)) return;
    done.current = trackWork();
    timer.current = setTimeout(() => {
      timer.current = null;
      setShown(newest.current);
      done.current();
    }, ms);
  }, [value, shown, ms]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
      done.current();
    },
    [],
  );
  return shown;
}
