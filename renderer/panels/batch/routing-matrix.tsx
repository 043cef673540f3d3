/** Tokens x experts: which expert each token goes to, and with what weight. */
import { type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { BatchDetail } from '../../../electron/contract/batch';
import { ExportButtons } from '../../charts/export-buttons';
import { useSize } from '../../charts/size';
import { toCsv } from '../../format/csv';
import { formatCount, formatValue } from '../../format/numbers';
import { Block } from '../../frame/panel-frame';
import { framePainter } from '../../stores/idle';
import { selectRouted, useSelection } from '../../stores/selection';
import { useView } from '../../stores/view';
import { tokenValue } from '../../theme/palette';
import { type MatrixGrid, matrixGrid } from './matrix-grid';

const left = 58;
const bottom = 18;
const mostHeight = 260;

export function RoutingMatrix({ detail }: { detail: BatchDetail }) {
  if (detail.routingReason)
    return (
      <Block title="Routing matrix" note="not known">
        <p className="muted routing-unknown">{detail.routingReason}</p>
      </Block>
    );
  return <Matrix detail={detail} />;
}

function Matrix({ detail }: { detail: BatchDetail }) {
  const { topkIds, topkWeights, topK, experts, row } = detail;
  const [box, { width }] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useView((state) => state.theme);
  const token = useSelection((state) => state.token);
  const expert = useSelection((state) => state.expert);
  const [hover, setHover] = useState<(Pair & { x: number; y: number }) | null>(null);
  const plot = Math.max(1, width - left);
  const grid = useMemo(
    () => matrixGrid(topkIds, topkWeights, topK, experts, { rows: mostHeight, columns: plot }),
    [topkIds, topkWeights, topK, experts, plot],
  );
  const cell = useMemo(() => cellSize(grid, plot), [grid, plot]);
  const height = grid.rows * cell.height + bottom;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes the colours that are read
  useEffect(() => {
    const painter = framePainter(() => {
      if (!canvas.current) return;
      paint(canvas.current, grid, cell, width, height, row.tokens, experts);
      markPair(canvas.current, grid, cell, width, { token, expert });
    });
    painter.request();
    return () => painter.cancel();
  }, [grid, cell, width, height, theme, token, expert]);

  const pairAt = (event: PointerEvent): (Pair & { x: number; y: number }) | null => {
    const { offsetX, offsetY } = event.nativeEvent;
    const column = Math.floor((offsetX - left) / cell.width);
    const line = Math.floor(offsetY / cell.height);
    const inside = offsetX >= left && column < grid.columns && line < grid.rows;
    return inside
      ? { token: line * grid.tokensPerCell, expert: column * grid.expertsPerCell, x: offsetX, y: offsetY }
      : null;
  };
  const pick = (event: PointerEvent) => {
    const pair = pairAt(event);
    selectRouted(pair?.token ?? null, pair?.expert ?? null);
  };
  const csv = () =>
    toCsv(
      ['token', 'slot', 'expert', 'weight'],
      Array.from(topkIds, (expert, pair) => [Math.floor(pair / topK), pair % topK, expert, topkWeights[pair]]),
    );
  const folded = grid.tokensPerCell > 1 || grid.expertsPerCell > 1;
  return (
    <Block
      title="Routing matrix"
      note={
        token !== null || expert !== null
          ? selectedText(detail, { token, expert })
          : folded
            ? `a cell is ${grid.tokensPerCell} tokens x ${grid.expertsPerCell} experts, brightness is its largest weight`
            : 'tokens x experts, brightness is the weight'
      }
      actions={<ExportButtons name="routing-matrix" csv={csv} picture={() => box.current} />}
    >
      <div ref={box} className="matrix" style={{ minHeight: 40 }}>
        <canvas
          ref={canvas}
          role="img"
          aria-label={`Routing of ${row.tokens} tokens to ${experts} experts`}
          style={{ width, height }}
          onPointerMove={(event) => setHover(pairAt(event))}
          onPointerDown={pick}
          onPointerLeave={() => setHover(null)}
        />
        {hover && (
          <div
            className="timeline-hover number"
            style={{
              top: hover.y + 12,
              ...(hover.x > width / 2 ? { right: width - hover.x + 12 } : { left: hover.x + 12 }),
            }}
          >
            {hoverText(detail, grid, hover)}
          </div>
        )}
      </div>
    </Block>
  );
}

interface Pair {
  token: number;
  expert: number;
}

/** "token 3, expert 7: slot 0, weight 0.21": the selected routed pair, or the half of it that is selected. */
function selectedText(detail: BatchDetail, { token, expert }: { token: number | null; expert: number | null }): string {
  if (token !== null && expert !== null) return `selected: ${pairText(detail, { token, expert })}`;
  return token !== null ? `selected: token ${formatCount(token)}` : `selected: expert ${formatCount(expert)}`;
}

function pairText(detail: BatchDetail, { token, expert }: Pair): string {
  for (let slot = 0; slot < detail.topK; slot++) {
    const pair = token * detail.topK + slot;
    if (detail.topkIds[pair] === expert)
      return `token ${token}, expert ${expert}: slot ${slot}, weight ${formatValue(detail.topkWeights[pair])}`;
  }
  return `token ${token}, expert ${expert}: not routed`;
}

function hoverText(
  detail: BatchDetail,
  grid: MatrixGrid,
  { token, expert }: { token: number; expert: number },
): string {
  if (grid.tokensPerCell > 1 || grid.expertsPerCell > 1) {
    return `tokens ${token} to ${token + grid.tokensPerCell - 1}, experts ${expert} to ${expert + grid.expertsPerCell - 1}`;
  }
  return pairText(detail, { token, expert });
}

interface CellSize {
  width: number;
  height: number;
}

/** Cells fill the width; a row is as high as it is wide, within reason, and all rows stay under the height there is. */
function cellSize(grid: MatrixGrid, plot: number): CellSize {
  const width = plot / Math.max(1, grid.columns);
  const height = Math.min(12, Math.max(1, Math.floor(mostHeight / Math.max(1, grid.rows))));
  return { width, height };
}

function paint(
  canvas: HTMLCanvasElement,
  grid: MatrixGrid,
  cell: CellSize,
  width: number,
  height: number,
  tokens: number,
  experts: number,
): void {
  const context = canvas.getContext('2d');
  if (!context || width < 1) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = tokenValue('--bg-0');
  context.fillRect(left, 0, width - left, height - bottom);
  context.fillStyle = tokenValue('--accent');
  for (let row = 0; row < grid.rows; row++) {
    for (let column = 0; column < grid.columns; column++) {
      const weight = grid.weights[row * grid.columns + column]!;
      if (weight === 0) continue;
      context.globalAlpha = 0.2 + 0.8 * (grid.largest > 0 ? Math.min(1, weight / grid.largest) : 0);
      const x = left + column * cell.width;
      const gap = cell.width > 4 ? 1 : 0;
      context.fillRect(
        x,
        row * cell.height,
        Math.max(1, cell.width - gap),
        Math.max(1, cell.height - (cell.height > 4 ? 1 : 0)),
      );
    }
  }
  context.globalAlpha = 1;
  context.font = '10px "JetBrains Mono"';
  context.fillStyle = tokenValue('--text-3');
  context.textBaseline = 'top';
  context.textAlign = 'right';
  context.fillText('token 0', left - 6, 0);
  if (grid.rows * cell.height > 26) {
    context.textBaseline = 'bottom';
    context.fillText(formatCount(tokens - 1), left - 6, grid.rows * cell.height);
  }
  context.textBaseline = 'top';
  context.textAlign = 'left';
  context.fillText('expert 0', left, height - bottom + 4);
  context.textAlign = 'right';
  context.fillText(formatCount(experts - 1), width, height - bottom + 4);
}

/** A band over the selected token's row, and one over the selected expert's column. */
function markPair(
  canvas: HTMLCanvasElement,
  grid: MatrixGrid,
  cell: CellSize,
  width: number,
  { token, expert }: { token: number | null; expert: number | null },
): void {
  const context = canvas.getContext('2d');
  if (!context || width < 1) return;
  context.strokeStyle = tokenValue('--warn');
  context.lineWidth = 1;
  const line = token === null ? grid.rows : Math.floor(token / grid.tokensPerCell);
  if (line < grid.rows) context.strokeRect(left - 3.5, line * cell.height - 0.5, width - left + 3, cell.height + 1);
  const column = expert === null ? grid.columns : Math.floor(expert / grid.expertsPerCell);
  if (column < grid.columns) {
    const x = Math.round(left + column * cell.width) - 0.5;
    context.strokeRect(x, 0.5, Math.max(2, Math.round(cell.width)), grid.rows * cell.height);
  }
}
