/** What every panel is set in: a strip of controls above, the content below; and what it shows when there is no content. */
import type { ReactNode } from 'react';
import type { AppErrorData } from '../../electron/contract/errors';
import './panel-frame.css';

export interface PanelFrameProps {
  /** id of the panel, becomes data-testid="panel-<id>" */
  id: string;
  /** accessible name */
  title: string;
  /** controls at the left of the strip; no strip when there are none */
  controls?: ReactNode;
  /** controls at its right: export, copy */
  actions?: ReactNode;
  /** the content scrolls as a whole; false for panels that divide their own space */
  scroll?: boolean;
  children: ReactNode;
}

export function PanelFrame({ id, title, controls, actions, scroll = true, children }: PanelFrameProps) {
  return (
    <section className="panel-frame" data-testid={`panel-${id}`} aria-label={title}>
      {(controls || actions) && (
        <div className="panel-strip" role="toolbar" aria-label={`${title} controls`}>
          {controls}
          {actions && <div className="panel-actions">{actions}</div>}
        </div>
      )}
      <div className={scroll ? 'panel-content scroll' : 'panel-content'}>{children}</div>
    </section>
  );
}

/** Why a panel is empty, and what fills it. */
export function EmptyState({ title, reason, children }: { title: string; reason: string; children?: ReactNode }) {
  return (
    <div className="empty-state" role="status">
      <div className="empty-title">{title}</div>
      <div className="empty-reason">{reason}</div>
      {children && <div className="empty-actions">{children}</div>}
    </div>
  );
}

/** An error as a card: message, subject, expected, found, what to do. */
export function ErrorState({ error, onDismiss, children }: ErrorStateProps) {
  const facts: [string, string | undefined][] = [
    ['Where', error.subject],
    ['Expected', error.expected],
    ['Found', error.found],
    ['What to do', error.remedy],
  ];
  return (
    <div className="error-card" role="alert" data-code={error.code}>
      <div className="error-head">
        <span className="error-message selectable">{error.message}</span>
        <code className="error-code">{error.code}</code>
        {onDismiss && (
          <button type="button" className="button quiet small" onClick={onDismiss}>
            Dismiss
          </button>
        )}
      </div>
      <dl className="error-facts">
        {facts
          .filter(([, text]) => text)
          .map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="selectable">{text}</dd>
            </div>
          ))}
      </dl>
      {children && <div className="empty-actions">{children}</div>}
    </div>
  );
}

interface ErrorStateProps {
  error: AppErrorData;
  onDismiss?: () => void;
  children?: ReactNode;
}

/** A block of a panel with a heading, its unit or remark, and small actions. */
export function Block({ title, note, actions, className, children }: BlockProps) {
  return (
    <section className={className ? `block ${className}` : 'block'} aria-label={title}>
      <header className="block-head">
        <h3>{title}</h3>
        {note && <span className="block-note">{note}</span>}
        {actions && <span className="block-actions">{actions}</span>}
      </header>
      <div className="block-body">{children}</div>
    </section>
  );
}

interface BlockProps {
  title: string;
  note?: ReactNode;
  actions?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** Names and values in two columns; values in monospace. */
export function Facts({ rows }: { rows: readonly (readonly [string, ReactNode, string?])[] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value, unit]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="number">
            {value}
            {unit && <span className="unit"> {unit}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
