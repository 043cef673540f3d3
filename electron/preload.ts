/** The one preload: named functions over the channels of the contract, nothing of Electron itself. */
import { contextBridge, type IpcRendererEvent, ipcRenderer } from 'electron';
import { type Bridge, bridgeName, channels, type EngineNotice, type PortMessage } from './contract/bridge';

/** `listener` gets the payload and never Electron's event. */
function subscribe<T>(channel: string, listener: (payload: T) => void): () => void {
  const forward = (_event: IpcRendererEvent, payload: T) => listener(payload);
  ipcRenderer.on(channel, forward);
  return () => ipcRenderer.removeListener(channel, forward);
}

const bridge: Bridge = {
  openPort: (ticket) => ipcRenderer.send(channels.openPort, ticket),
  pickFolder: ({ title }) => ipcRenderer.invoke('shell.pickFolder', { title }),
  saveFile: ({ name, bytes }) => ipcRenderer.invoke('shell.saveFile', { name, bytes }),
  restartEngine: () => ipcRenderer.invoke('shell.restartEngine', {}),
  about: () => ipcRenderer.invoke('shell.about', {}),
  onEngine: (listener) => subscribe<EngineNotice>(channels.engine, listener),
  onCommand: (listener) => subscribe<string>(channels.command, listener),
};

// A port cannot pass the context bridge; posting it to our own page hands it over without a copy in between.
ipcRenderer.on(channels.port, ({ ports }, ticket: number) => {
  const message: PortMessage = { channel: channels.port, ticket };
  window.postMessage(message, window.location.origin, ports);
});

contextBridge.exposeInMainWorld(bridgeName, bridge);
