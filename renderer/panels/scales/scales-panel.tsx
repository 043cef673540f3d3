/** Scales: every scale tensor of the layer, element by element. */
import { useEffect, useMemo } from 'react';
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { ExportButtons } from '../../charts/export-buttons';
import { Block, EmptyState, ErrorState, PanelFrame } from '../../frame/panel-frame';
import { useConnection } from '../../stores/connection';
import { useSelection } from '../../stores/selection';
import { useRequest } from '../../stores/use-request';
import { tableCsv } from '../../tables/columns';
import { CodeHistogram } from './code-histogram';
import { ExpertTable, expertColumns } from './expert-table';
import { ExpertValues } from './expert-values';
import { Layouts } from './layouts';
import { PickCard } from './pick-card';
import { pickIn, showPlane, showTensor, useScales } from './state';
import { TensorMap } from './tensor-map';
import { TensorTree } from './tensor-tree';
import { groupTensors, placeText, ratioChoices, shownTensor } from './tensors';
import './scales-panel.css';

export function ScalesPanel() {
  const engine = useConnection((state) => state.engine);
  const batch = useSelection((state) => state.batch);
  const chosen = useSelection((state) => state.tensor);
  const layer = engine?.layer ?? null;
  // A tensor keeps its id when the layer is loaded anew under another contract or threshold.
  const layerKey = layer
    ? JSON.stringify([
        engine?.source,
        engine?.session?.path,
        engine?.checkpoint?.path,
        layer.prefix,
        layer.contract,
        layer.merge,
        layer.registered,
      ])
    : '';
  const list = useRequest('tensor.list', layer ? {} : null, layerKey);
  // Asked for apart: the activations of a live batch come from running it again.
  const ofBatch = useRequest('tensor.list', layer && batch !== null ? { batch } : null, layerKey);
  const tensors = useMemo(
    () => list.data && [...list.data, ...(ofBatch.data ?? []).filter(({ set }) => set === 'batch')],
    [list.data, ofBatch.data],
  );
  const tensor = tensors ? shownTensor(tensors, chosen, ofBatch.loading) : null;
  const groups = useMemo(
    () =>
      groupTensors(
        tensors ?? [],
        engine,
        batch,
        ofBatch.loading ? 'Running the batch with taps…' : ofBatch.error?.message,
      ),
    [tensors, engine, batch, ofBatch.loading, ofBatch.error],
  );

  if (!layer)
    return (
      <PanelFrame id="scales" title="Scales">
        <EmptyState
          title="No layer is loaded"
          reason="Open a checkpoint or a session: its scale tensors appear here."
        />
      </PanelFrame>
    );
  return (
    <PanelFrame id="scales" title="Scales" scroll={false}>
      <div className="scales">
        <TensorTree groups={groups} selected={tensor?.id ?? null} onSelect={showTensor} />
        {list.error && <ErrorState error={list.error} />}
        {!list.error && !tensor && (
          <EmptyState
            title={list.loading || ofBatch.loading ? 'Reading the list of tensors' : 'No tensors'}
            reason={
              list.loading ? 'It comes from the engine.' : 'This source recorded none: it was recorded without tensors.'
            }
          />
        )}
        {tensor && tensors && (
          <TensorView
            tensor={tensor}
            tensors={tensors}
            layerKey={layerKey}
            missing={chosen !== null && chosen !== tensor.id ? chosen : null}
          />
        )}
      </div>
    </PanelFrame>
  );
}

interface TensorViewProps {
  tensor: TensorDescriptor;
  tensors: readonly TensorDescriptor[];
  layerKey: string;
  /** id that was asked for and is not in this source */
  missing: string | null;
}

function TensorView({ tensor, tensors, layerKey, missing }: TensorViewProps) {
  const wanted = useScales((state) => state.plane);
  const element = useSelection((state) => state.element);
  const selectedBatch = useSelection((state) => state.batch);
  const batch = tensor.set === 'batch' ? selectedBatch : null;
  const plane = Math.min(wanted, tensor.planes - 1);
  // An element selected elsewhere (a link, undo, another panel) brings its expert with it.
  useEffect(() => {
    if (element) useScales.setState({ plane: element.plane });
  }, [element]);
  const which = { id: tensor.id, ...(batch !== null && { batch }) };
  const stats = useRequest('tensor.stats', which, layerKey, tensor.id);
  const histogram = useRequest('tensor.histogram', { ...which, plane }, layerKey, tensor.id);
  const inside =
    element && element.plane < tensor.planes && element.row < tensor.rows && element.column < tensor.columns;
  const pick = useRequest('tensor.pick', inside ? { ...which, ...element } : null, layerKey, tensor.id);
  const single = tensor.rows * tensor.columns === 1;
  const choices = useMemo(() => ratioChoices(tensor, tensors), [tensor, tensors]);
  const rows = stats.data ?? [];
  return (
    <>
      <div className="scales-middle">
        {missing && (
          <p className="scales-missing">
            This source has no “{missing}”; shown instead: {tensor.id}.
          </p>
        )}
        {single ? (
          <div className="expert-values">
            <ExpertValues tensor={tensor} rows={rows} />
          </div>
        ) : (
          <TensorMap of={{ tensor, plane, batch, layerKey }} ratioChoices={choices} stats={rows[plane] ?? null} />
        )}
        <Block
          title={tensor.planes > 1 ? 'Experts' : 'Statistics'}
          note={`${tensor.id}, elements without padding`}
          className="scales-experts"
          actions={<ExportButtons name={`${tensor.name}-experts`} csv={() => tableCsv(expertColumns, rows)} />}
        >
          {stats.error ? (
            <ErrorState error={stats.error} />
          ) : (
            <ExpertTable
              rows={rows}
              plane={plane}
              onSelect={single ? (expert) => pickIn(tensor, expert, 0, 0) : showPlane}
              loading={stats.loading}
            />
          )}
        </Block>
      </div>
      <aside className="scales-side" aria-label="Element and histogram">
        <Block title="Element" note={inside ? placeText(tensor, element) : undefined}>
          {pick.error && <ErrorState error={pick.error} />}
          {pick.data && <PickCard pick={pick.data} tensor={tensor} />}
          {!pick.data && !pick.error && (
            <p className="muted scales-hint">
              {inside ? 'Reading…' : 'Click an element of the map to see its addresses, bits and the codes under it.'}
            </p>
          )}
        </Block>
        {histogram.error ? (
          <ErrorState error={histogram.error} />
        ) : (
          <CodeHistogram tensor={tensor} plane={plane} counts={histogram.data?.counts ?? null} height={130} />
        )}
        {tensor.role === 'block-scale' && <Layouts tensor={tensor} batch={batch} layerKey={layerKey} />}
        <Block title="Tensor">
          <p className="muted scales-hint">{tensor.note}</p>
        </Block>
      </aside>
    </>
  );
}
