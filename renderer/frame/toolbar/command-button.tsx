/** A button that runs a command; off with the command's own reason as its title. */
import type { ReactNode } from 'react';
import { findCommand, invoke } from '../../commands/registry';
import { useConnection } from '../../stores/connection';
import { useRun } from '../../stores/run';
import { useSelection } from '../../stores/selection';

interface CommandButtonProps {
  id: string;
  /** accessible name, where the command's title is too long */
  label?: string;
  className?: string;
  args?: unknown;
  children: ReactNode;
}

export function CommandButton({ id, label, className = '', args, children }: CommandButtonProps) {
  const command = findCommand(id);
  const reason = useReason(id);
  const title = command ? `${command.title}${command.shortcut ? ` (${command.shortcut})` : ''}` : id;
  return (
    <button
      type="button"
      className={`button ${className}`}
      aria-label={label ?? command?.title}
      data-command={id}
      disabled={reason !== null}
      title={reason ? `${title}: ${reason}` : title}
      onClick={() => invoke(id, args)}
    >
      {children}
    </button>
  );
}

/** A command's reason not to run, followed through the stores that such reasons read. */
function useReason(id: string): string | null {
  const read = () => findCommand(id)?.unavailable?.() ?? null;
  useConnection(read);
  useRun(read);
  return useSelection(read);
}
