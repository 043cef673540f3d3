/** What is known about where the numbers come from, as names and values to be shown and copied. */
import type { EngineState, SessionInfo } from '../../../electron/contract/session';
import { formatBytes, formatCount } from '../../format/numbers';

export type Fact = readonly [name: string, value: string];

const orNone = (text: string | undefined) => text || '-';

/** Device and provider of the session, else of the live layer. */
export function deviceFacts(engine: EngineState): Fact[] {
  const device = engine.session?.device ?? engine.device;
  if (!device) return [];
  return [
    ['Provider', `${device.provider} ${device.version}`],
    ['Device', orNone(device.name)],
    ['Architecture', orNone(device.arch)],
    ['Driver', orNone(device.driver)],
    ['Times measured by', orNone(device.timingSource)],
    ['Hybrid threshold', device.threshold ? 'supported' : 'not supported by this provider'],
  ];
}

/** Checkpoint and layer. */
export function layerFacts(engine: EngineState): Fact[] {
  const { checkpoint, layer, threshold } = engine;
  const facts: Fact[] = [];
  if (checkpoint)
    facts.push(
      ['Checkpoint', checkpoint.name],
      ['Checkpoint path', checkpoint.path],
      ['Format', `${checkpoint.format}, ${checkpoint.quantAlgo}`],
      ['Producer', orNone(checkpoint.producer)],
    );
  if (layer) {
    const { hidden, intermediate, experts, topK, gated, activation } = layer.shape;
    facts.push(
      ['Layer', `${layer.index}, ${layer.prefix}`],
      ['Shape', `H ${hidden}, I ${intermediate}, E ${experts}, k ${topK}`],
      ['Activation', `${activation}, ${gated ? 'gated' : 'not gated'}`],
      ['Contract', layer.contract],
      ['Gate/up merge', layer.merge],
      ['Rules', engine.rules],
    );
  }
  facts.push(
    ['Threshold', `${threshold.tokens} tokens`],
    ['Threshold from', `${threshold.origin.kind}, ${threshold.origin.where}`],
  );
  return facts;
}

/** The recording itself. */
export function sessionFacts(session: SessionInfo): Fact[] {
  return [
    ['Name', session.name],
    ['Created', session.createdAt],
    ['Tool', session.tool],
    ['Format version', String(session.format)],
    ['Activations (taps)', session.taps ? 'recorded' : 'not recorded'],
  ];
}

/** What it holds, in batches and bytes. */
export function sizeFacts(session: SessionInfo): Fact[] {
  return [
    ['Batches', formatCount(session.batches)],
    ['Events', formatBytes(session.eventBytes)],
    ['Tensor files', formatCount(session.blobs)],
    ['Tensors', formatBytes(session.blobBytes)],
    ['Together', formatBytes(session.eventBytes + session.blobBytes)],
  ];
}

/** Where the parts of a session lie. */
export function fileFacts(path: string): Fact[] {
  const inside = (name: string) => `${path.replace(/\/+$/, '')}/${name}`;
  return [
    ['Folder', path],
    ['Environment', inside('manifest.json')],
    ['Events', inside('session.mcap')],
    ['Tensors', inside('blobs')],
  ];
}

/** As text for a bug report. */
export function factsText(groups: readonly (readonly Fact[])[]): string {
  return groups
    .flat()
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}
