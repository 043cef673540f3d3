/** Session: record, replay, notes and bookmarks, and everything about where the numbers come from. */

import { CopyButton } from '../../frame/copy-button';
import { Block, EmptyState, PanelFrame } from '../../frame/panel-frame';
import { useConnection } from '../../stores/connection';
import { whyNotAnnotate } from './commands';
import { deviceFacts, type Fact, factsText, fileFacts, layerFacts, sessionFacts, sizeFacts } from './environment';
import { FactList } from './fact-list';
import { Integrity } from './integrity';
import { Bookmarks, Notes } from './notes';
import { Recording } from './recording';
import { Replay } from './replay';
import { notesOf, useRecordingNotes } from './state';
import './session-panel.css';

export function SessionPanel() {
  const engine = useConnection((state) => state.engine);
  const kept = useRecordingNotes();
  if (!engine)
    return (
      <PanelFrame id="session" title="Session">
        <EmptyState title="No engine yet" reason="The panel fills when the window is linked to an engine." />
      </PanelFrame>
    );
  const { session, recording } = engine;
  const written = session ?? (recording.active ? notesOf(recording.path, kept) : null);
  const reason = whyNotAnnotate();
  const groups: [string, readonly Fact[]][] = [
    ['Device and provider', deviceFacts(engine)],
    ['Checkpoint and layer', layerFacts(engine)],
  ];
  if (session)
    groups.unshift(
      ['Session', sessionFacts(session)],
      ['Sizes', sizeFacts(session)],
      ['Files', fileFacts(session.path)],
    );
  return (
    <PanelFrame id="session" title="Session">
      <div className="session">
        <div className="session-column">
          <Recording engine={engine} />
          <Replay engine={engine} />
          {session && <Integrity integrity={session.integrity} />}
          <Notes saved={written?.notes ?? ''} reason={reason} />
          <Bookmarks bookmarks={written?.bookmarks ?? []} reason={reason} />
        </div>
        <div className="session-column">
          {groups.map(([title, facts]) => (
            <Block
              key={title}
              title={title}
              actions={facts.length > 0 && <CopyButton what={`all of ${title}`} text={factsText([facts])} />}
            >
              {facts.length > 0 ? (
                <FactList facts={facts} label={title} />
              ) : (
                <p className="muted">Nothing is loaded.</p>
              )}
            </Block>
          ))}
        </div>
      </div>
    </PanelFrame>
  );
}
