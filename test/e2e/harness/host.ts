import type { ElectronApplication, Page } from '@playwright/test';

export type HostName = 'web' | 'electron';

/** What a host is asked to open. */
export interface Launch {
  /** Checkpoint or session folder; none opens the empty window. */
  open: string | undefined;
  /** Folder for settings and whatever else the app keeps; removed after the test. */
  folder: string;
  /**
   * Draws through software GL, the same pixels on every machine. Without it Electron does what it does on a machine without
   * a GPU: its own software compositor, which is several times quicker than GL in software.
   */
  softwareGl: boolean;
}

/** A running app with its first window. */
export interface RunningHost {
  page: Page;
  /** Only on the electron host: the main process. */
  electron: ElectronApplication | undefined;
  /** What the app printed so far, for a failing test's report. */
  output(): string;
  /** Process of the engine, of which the app makes a new one when it ends. */
  enginePid(): Promise<number | undefined>;
  close(): Promise<void>;
}
