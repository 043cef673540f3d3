/** Chromium switches of the test mode, set before `ready`: the same pixels on every machine, and no throttling. */
import type { CommandLine } from 'electron';

const testSwitches: readonly (readonly [name: string, value?: string])[] = [
  ['use-gl', 'angle'],
  ['use-angle', 'swiftshader'],
  ['enable-unsafe-swiftshader'],
  ['font-render-hinting', 'none'],
  ['disable-lcd-text'],
  ['force-device-scale-factor', '1'],
  ['force-color-profile', 'srgb'],
  ['lang', 'en-US'],
  ['disable-background-timer-throttling'],
  ['disable-backgrounding-occluded-windows'],
  ['disable-renderer-backgrounding'],
];

/** Adds those that the command line does not already have. */
export function setTestSwitches(commandLine: Pick<CommandLine, 'hasSwitch' | 'appendSwitch'>): void {
  for (const [name, value] of testSwitches) {
    if (!commandLine.hasSwitch(name)) commandLine.appendSwitch(name, value);
  }
}
