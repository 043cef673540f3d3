/** Hazards: what is wrong or risky in the scales of the layer, most severe first. */
import { type Finding, type HazardReport, type Severity, severities } from '../../../electron/contract/hazards';
import { ExportButtons } from '../../charts/export-buttons';
import { Block, EmptyState, ErrorState, PanelFrame } from '../../frame/panel-frame';
import { useConnection } from '../../stores/connection';
import { type Column, tableCsv } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { Checks } from './checks';
import { openInScales } from './commands';
import { FindingCard } from './finding-card';
import { expertsText, shortMeasured } from './measured';
import { SeverityLabel } from './severity';
import { keyOf, useHazards } from './state';
import './hazards-panel.css';

const columns: readonly Column<Finding>[] = [
  {
    id: 'severity',
    header: 'severity',
    width: '84px',
    kind: 'text',
    value: ({ severity }) => severity,
    render: ({ severity }) => <SeverityLabel severity={severity} />,
  },
  { id: 'id', header: 'hazard', width: '178px', kind: 'text', value: ({ id }) => id },
  {
    id: 'place',
    header: 'where',
    width: '144px',
    kind: 'text',
    value: ({ projection, tensor }) => projection ?? tensor?.replace(/^.*\//, '') ?? 'layer',
  },
  {
    id: 'experts',
    header: 'experts',
    width: '76px',
    kind: 'text',
    value: ({ experts }) => expertsText(experts),
    render: ({ experts }) => (experts.length === 0 ? <span className="muted">all</span> : expertsText(experts)),
  },
  {
    id: 'measured',
    header: 'measured',
    width: '1fr',
    kind: 'text',
    value: shortMeasured,
    render: (finding) => <span title={shortMeasured(finding)}>{shortMeasured(finding)}</span>,
  },
];

const words = { error: 'error', warning: 'warning', info: 'remark' };
const countText = (severity: Severity, count: number) => `${count} ${words[severity]}${count === 1 ? '' : 's'}`;

export function HazardsPanel() {
  const layer = useConnection((state) => state.engine?.layer ?? null);
  const { report, error, loading } = useHazards();
  if (!layer)
    return (
      <PanelFrame id="hazards" title="Hazards">
        <EmptyState
          title="No layer is loaded"
          reason="Open a checkpoint or a session: its scales are looked over when the layer is there."
        />
      </PanelFrame>
    );
  if (!report)
    return (
      <PanelFrame id="hazards" title="Hazards">
        {error && <ErrorState error={error} />}
        {loading && <EmptyState title="Looking for hazards" reason="Every block scale of the layer is counted." />}
      </PanelFrame>
    );
  return (
    <PanelFrame id="hazards" title="Hazards" scroll={false}>
      <Findings report={report} where={`layer ${layer.index}, ${layer.contract}`} />
    </PanelFrame>
  );
}

function Findings({ report, where }: { report: HazardReport; where: string }) {
  const { findings, checks } = report;
  const chosen = useHazards((state) => state.selected);
  const shown = findings.find((finding) => keyOf(finding) === chosen) ?? findings[0] ?? null;
  const counts = severities
    .map((severity) => countText(severity, findings.filter((one) => one.severity === severity).length))
    .join(', ');
  return (
    <div className="hazards">
      <div className="hazards-main">
        <Block
          title="Findings"
          note={`${where}: ${counts}`}
          className="hazards-findings"
          actions={<ExportButtons name="hazards" csv={() => tableCsv(columns, findings)} />}
        >
          <DataTable
            label="Findings"
            testId="hazards-findings"
            columns={columns}
            rows={findings}
            rowId={keyOf}
            selected={shown && keyOf(shown)}
            onSelect={(finding) => useHazards.setState({ selected: keyOf(finding) })}
            onOpen={(finding) => finding.tensor !== null && void openInScales(finding)}
            revealSelected
            empty="No hazard was found in this layer under this contract."
          />
        </Block>
        <Block title="Checked" note="every hazard that was looked for" className="hazards-checks">
          <Checks checks={checks} />
        </Block>
      </div>
      <aside className="hazards-side" aria-label="Finding">
        {shown ? (
          <FindingCard finding={shown} />
        ) : (
          <EmptyState title="Nothing found" reason="What was looked at is in the table of checks." />
        )}
      </aside>
    </div>
  );
}
