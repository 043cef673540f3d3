/** Content area of the window, CSS pixels, in both hosts. */
export const windowSize = { width: 1440, height: 900 } as const;

/** Chromium switches that make two runs draw the same pixels: software GL, no LCD text, no hinting, scale 1. */
export const renderingSwitches: readonly string[] = [
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--font-render-hinting=none',
  '--disable-lcd-text',
  '--force-device-scale-factor=1',
  '--force-color-profile=srgb',
  '--lang=en-US',
];

/** Switches that keep a test browser off the network and out of the way. */
export const quietSwitches: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Environment of the app under test: same clock zone and language everywhere, own settings folder. */
export function appEnvironment(folder: string): Record<string, string> {
  const inherited = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  // Electron started with this set is plain Node and refuses Chromium's switches.
  const kept = inherited.filter(([name]) => name !== 'ELECTRON_RUN_AS_NODE');
  return { ...Object.fromEntries(kept), TZ: 'UTC', LANG: 'en_US.UTF-8', LC_ALL: 'C.UTF-8', XDG_CONFIG_HOME: folder };
}
