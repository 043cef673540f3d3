/** Copies a text and says so for a moment. */
import { useEffect, useState } from 'react';
import { AppError } from '../../electron/contract/errors';
import { copyText } from '../commands/clipboard';
import { showFailure } from '../stores/connection';

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1200);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () =>
    copyText(text).then(
      () => setDone(true),
      (thrown) => showFailure(AppError.from(thrown).toData()),
    );
  return (
    <button
      type="button"
      className="button quiet small copy-button"
      aria-label={`Copy ${what}`}
      title={`Copy ${what}`}
      onClick={copy}
    >
      {done ? 'copied' : 'copy'}
    </button>
  );
}
