/** The application's menu. What is the window's business is one of its commands, by id; the rest are Electron's roles. */
import type { MenuItemConstructorOptions } from 'electron';

/** Window commands that the menu runs. */
export const menuCommands = [
  'checkpoint.open',
  'session.open',
  'view.palette',
  'view.resetLayout',
  'engine.restart',
] as const;
type MenuCommand = (typeof menuCommands)[number];

/** @param run sends the id of a command to the window that has the focus. */
export function menuTemplate(run: (id: MenuCommand) => void): MenuItemConstructorOptions[] {
  const command = (label: string, id: MenuCommand, accelerator?: string): MenuItemConstructorOptions => ({
    label,
    click: () => run(id),
    ...(accelerator !== undefined && { accelerator }),
  });
  return [
    {
      label: '&File',
      submenu: [
        command('Open checkpoint...', 'checkpoint.open', 'CommandOrControl+O'),
        command('Open session...', 'session.open', 'CommandOrControl+Shift+O'),
        { type: 'separator' },
        { role: 'quit' },
      ],
    },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [
        command('Commands...', 'view.palette'),
        command('Reset the layout', 'view.resetLayout'),
        { type: 'separator' },
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
        { type: 'separator' },
        { role: 'reload' },
        { role: 'toggleDevTools' },
      ],
    },
    { label: '&Engine', submenu: [command('Restart engine', 'engine.restart')] },
    { role: 'help', submenu: [{ role: 'about' }] },
  ];
}
