/** Notes of the session, and bookmarks of its batches. */
import { useEffect, useState } from 'react';
import { invoke } from '../../commands/registry';
import { Block } from '../../frame/panel-frame';
import { selectBatch, useSelection } from '../../stores/selection';
import type { Column } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import type { Bookmark } from './state';

export function Notes({ saved, reason }: { saved: string; reason: string | null }) {
  const [text, setText] = useState(saved);
  useEffect(() => setText(saved), [saved]);
  const changed = text !== saved;
  const save = () => changed && invoke('session.annotate', { notes: text });
  return (
    <Block
      title="Notes"
      note={reason ? undefined : changed ? 'not saved yet' : 'saved in the session'}
      actions={
        <button type="button" className="button small" disabled={!changed || reason !== null} onClick={save}>
          Save
        </button>
      }
    >
      {reason ? (
        <p className="muted">{reason}</p>
      ) : (
        <textarea
          className="input session-notes"
          aria-label="Notes"
          value={text}
          rows={5}
          placeholder="What was seen, on which machine, what to look at"
          onChange={(event) => setText(event.target.value)}
          onBlur={save}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save();
            event.stopPropagation();
          }}
        />
      )}
    </Block>
  );
}

const columns: readonly Column<Bookmark>[] = [
  { id: 'batch', header: 'batch', width: '70px', kind: 'number', value: (row) => row.batch },
  { id: 'text', header: 'remark', width: '1fr', kind: 'text', value: (row) => row.text },
  {
    id: 'at',
    header: 'made',
    width: '150px',
    kind: 'text',
    value: (row) => row.at.slice(0, 19).replace('T', ' '),
    render: (row) => <span className="volatile">{row.at.slice(0, 19).replace('T', ' ')}</span>,
  },
];

export function Bookmarks({ bookmarks, reason }: { bookmarks: readonly Bookmark[]; reason: string | null }) {
  const batch = useSelection((state) => state.batch);
  const [text, setText] = useState('');
  const add = () => {
    invoke('session.bookmark', { text });
    setText('');
  };
  return (
    <Block title="Bookmarks" className="session-bookmarks">
      <div className="session-path">
        <input
          className="input"
          aria-label="Remark of the bookmark"
          placeholder={batch === null ? 'select a batch to bookmark' : `remark on batch ${batch}`}
          value={text}
          disabled={reason !== null || batch === null}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => event.key === 'Enter' && add()}
        />
        <button type="button" className="button" disabled={reason !== null || batch === null} onClick={add}>
          Bookmark
        </button>
      </div>
      <div className="session-bookmark-table">
        <DataTable
          label="Bookmarks"
          columns={columns}
          rows={bookmarks}
          rowId={(row) => `${row.batch} ${row.at} ${row.text}`}
          onSelect={(row) => void selectBatch(row.batch)}
          empty="No bookmarks yet."
        />
      </div>
    </Block>
  );
}
