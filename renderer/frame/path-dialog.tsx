/** Asks for a path on the machine of the engine, where the host has no dialog for folders: typed, with the last ones at hand. */
import { useEffect, useRef, useState } from 'react';
import { create } from 'zustand';
import './dialog.css';

interface PathQuestion {
  title: string;
  answer: (path: string | null) => void;
}

const usePathQuestion = create<{ question: PathQuestion | null }>(() => ({ question: null }));
const recentKey = 'moescope.recentPaths';

/** Opens the dialog; null when the person gave up. One question at a time: a newer one ends the older. */
export function askPath(title: string): Promise<string | null> {
  usePathQuestion.getState().question?.answer(null);
  return new Promise((resolve) => {
    const answer = (path: string | null) => {
      usePathQuestion.setState({ question: null });
      resolve(path);
    };
    usePathQuestion.setState({ question: { title, answer } });
  });
}

function recentPaths(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(recentKey) ?? '[]');
    return Array.isArray(stored) ? stored.filter((path): path is string => typeof path === 'string') : [];
  } catch {
    return [];
  }
}

function remember(path: string): void {
  try {
    const paths = [path, ...recentPaths().filter((known) => known !== path)].slice(0, 8);
    localStorage.setItem(recentKey, JSON.stringify(paths));
  } catch {
    // storage is off: nothing is remembered
  }
}

export function PathDialog() {
  const question = usePathQuestion((state) => state.question);
  return question ? <Dialog key={question.title} {...question} /> : null;
}

function Dialog({ title, answer }: PathQuestion) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [path, setPath] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const submit = () => {
    const typed = path.trim();
    if (!typed) return;
    remember(typed);
    answer(typed);
  };
  return (
    <dialog ref={dialog} className="dialog" aria-label={title} onClose={() => answer(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <h2>{title}</h2>
        <label className="dialog-field">
          Path on the machine where the engine runs
          <input
            className="input mono"
            aria-label="Path"
            value={path}
            spellCheck={false}
            autoFocus
            onChange={(event) => setPath(event.target.value)}
          />
        </label>
        <ul className="dialog-recent">
          {recentPaths().map((known) => (
            <li key={known}>
              <button type="button" className="button quiet mono" onClick={() => setPath(known)}>
                {known}
              </button>
            </li>
          ))}
        </ul>
        <div className="dialog-buttons">
          <button type="button" className="button" onClick={() => answer(null)}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={!path.trim()}>
            OK
          </button>
        </div>
      </form>
    </dialog>
  );
}
