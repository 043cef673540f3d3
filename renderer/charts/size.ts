/** The size of an element, followed as it changes. */
import { type RefObject, useLayoutEffect, useRef, useState } from 'react';

/** CSS pixels, whole; 0 x 0 until the element is laid out. */
export function useSize<T extends Element>(): [RefObject<T | null>, { width: number; height: number }] {
  const element = useRef<T>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const target = element.current;
    if (!target) return;
    const measure = (width: number, height: number) =>
      setSize((before) =>
        before.width === Math.floor(width) && before.height === Math.floor(height)
          ? before
          : { width: Math.floor(width), height: Math.floor(height) },
      );
    measure(target.clientWidth, target.clientHeight);
    const observer = new ResizeObserver(([entry]) => {
      if (entry) measure(entry.contentRect.width, entry.contentRect.height);
    });
    observer.observe(target);
    return () => observer.disconnect();
  }, []);
  return [element, size];
}
