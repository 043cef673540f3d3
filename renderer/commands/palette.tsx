/** Every command by name: Ctrl+K or Ctrl+Shift+P. */
import { Command as Menu } from 'cmdk';
import { useEffect, useRef } from 'react';
import '../frame/dialog.css';
import { usePalette } from './palette-state';
import { allCommands, type Command, invoke } from './registry';

export function Palette() {
  const open = usePalette((state) => state.open);
  return open ? <OpenPalette /> : null;
}

const close = () => usePalette.setState({ open: false });

function OpenPalette() {
  const before = useRef(document.activeElement);
  useEffect(() => () => (before.current instanceof HTMLElement ? before.current.focus() : undefined), []);
  const groups = new Map<string, Command[]>();
  for (const command of allCommands()) {
    if (!command.hidden) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
  }
  const choose = (id: string) => {
    close();
    invoke(id);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a click beside the palette closes it, Escape does the same
    <div className="palette-scrim" onMouseDown={(event) => event.target === event.currentTarget && close()}>
      <Menu
        className="palette"
        label="All commands"
        data-testid="palette"
        onKeyDown={(event) => {
          if (event.key === 'Escape') close();
          event.stopPropagation();
        }}
      >
        <Menu.Input autoFocus placeholder="Type a command" />
        <Menu.List>
          <Menu.Empty>No command has that name.</Menu.Empty>
          {[...groups].map(([group, commands]) => (
            <Menu.Group key={group} heading={group}>
              {commands.map((command) => (
                <Item key={command.id} command={command} onChoose={choose} />
              ))}
            </Menu.Group>
          ))}
        </Menu.List>
      </Menu>
    </div>
  );
}

function Item({ command, onChoose }: { command: Command; onChoose: (id: string) => void }) {
  const reason = command.unavailable?.() ?? null;
  return (
    <Menu.Item
      value={`${command.title} ${command.id}`}
      disabled={reason !== null}
      onSelect={() => onChoose(command.id)}
    >
      <span>{command.title}</span>
      {reason && <span className="command-why">{reason}</span>}
      <span className="command-id mono">{command.id}</span>
      {command.shortcut && <kbd>{command.shortcut}</kbd>}
    </Menu.Item>
  );
}
