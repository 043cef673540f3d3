/** Subject: hazards of the layer that is looked at. Asked for whenever another layer, contract or session comes, open panel or not. */
import { create } from 'zustand';
import { AppError, type AppErrorData } from '../../../electron/contract/errors';
import type { Finding, HazardReport } from '../../../electron/contract/hazards';
import type { EngineState } from '../../../electron/contract/session';
import { notify, useNotice } from '../../frame/notice';
import { useConnection } from '../../stores/connection';
import { ask } from '../../stores/request';

export interface HazardsState {
  report: HazardReport | null;
  error: AppErrorData | null;
  loading: boolean;
  /** key of the finding shown at the side; null = the first */
  selected: string | null;
}

export const useHazards = create<HazardsState>(() => ({ report: null, error: null, loading: false, selected: null }));

/** A finding in words that stay the same while the layer does. */
export const keyOf = ({ id, layer, projection, tensor }: Finding): string =>
  [id, layer, projection ?? '', tensor ?? ''].join(' ');

/** What the findings depend on; empty where there is no layer. */
function layerKey(engine: EngineState | null): string {
  const layer = engine?.layer;
  if (!engine || !layer) return '';
  return JSON.stringify([
    engine.source,
    engine.session?.path,
    engine.checkpoint?.path,
    engine.rules,
    layer.prefix,
    layer.contract,
    layer.merge,
    layer.registered,
  ]);
}

let underWay: AbortController | null = null;
let known = '';

let told = '';

/** Says in the status bar that there are errors; takes back what it said of the layer before. */
function tell(errors: number): void {
  if (errors === 0 && useNotice.getState().text !== told) return;
  told = errors === 0 ? '' : `${errors === 1 ? '1 hazard' : `${errors} hazards`} in this layer: see Hazards.`;
  notify(told);
}

async function refresh(): Promise<void> {
  underWay?.abort();
  const abort = new AbortController();
  underWay = abort;
  useHazards.setState({ report: null, error: null, loading: true, selected: null });
  try {
    const report = await ask('hazards.list', {}, { signal: abort.signal });
    if (abort.signal.aborted) return;
    useHazards.setState({ report, loading: false });
    tell(report.findings.filter(({ severity }) => severity === 'error').length);
  } catch (thrown) {
    if (!abort.signal.aborted) useHazards.setState({ error: AppError.from(thrown).toData(), loading: false });
  }
}

/** Begins to follow the engine's layer. */
export function followLayer(): void {
  useConnection.subscribe(({ engine }) => {
    const key = layerKey(engine);
    if (key === known) return;
    known = key;
    if (key !== '') void refresh();
    else {
      underWay?.abort();
      useHazards.setState({ report: null, error: null, loading: false, selected: null });
    }
  });
}
