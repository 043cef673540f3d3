/** Whether the session is whole, and what a crash or a full disk took from it. */
import type { SessionInfo } from '../../../electron/contract/session';
import { Block } from '../../frame/panel-frame';

export function Integrity({ integrity }: Pick<SessionInfo, 'integrity'>) {
  const { complete, message, lost } = integrity;
  return (
    <Block title="Integrity">
      <p className={complete ? 'integrity complete' : 'integrity recovered'} role="status">
        <strong>{complete ? 'Complete' : 'Recovered'}</strong>{' '}
        {message !== 'complete' && <span className="selectable">{message}</span>}
      </p>
      {lost.length > 0 && (
        <ul className="integrity-lost" aria-label="What was lost">
          {lost.map((entry) => (
            <li key={entry} className="mono selectable">
              {entry}
            </li>
          ))}
        </ul>
      )}
    </Block>
  );
}
