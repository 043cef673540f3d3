/** The area of panels: tabs that can be split, moved and resized. */
import { DockviewReact, type IDockviewPanelHeaderProps, type IDockviewPanelProps } from 'dockview-react';
import { Activity, Component, type ErrorInfo, type ReactNode, Suspense, useEffect, useState } from 'react';
import 'dockview-react/dist/styles/dockview.css';
import './docks.css';
import { AppError } from '../../electron/contract/errors';
import { findPanel } from '../panels/registry';
import { trackWork } from '../stores/idle';
import { useView } from '../stores/view';
import { adoptDocks, showPanel } from './layout';
import { EmptyState, ErrorState } from './panel-frame';

const theme = { name: 'moescope', className: 'docks-theme', tabGroupIndicator: 'none' as const };
const components = { panel: Panel };

export function Docks() {
  const panel = useView((state) => state.panel);
  useEffect(() => showPanel(panel), [panel]);
  return (
    <div className="docks">
      <DockviewReact
        theme={theme}
        components={components}
        defaultTabComponent={Tab}
        disableFloatingGroups
        dndStrategy="pointer"
        onReady={({ api }) => adoptDocks(api)}
      />
    </div>
  );
}

function Tab({ api }: IDockviewPanelHeaderProps) {
  return (
    <span className="dock-tab" data-testid={`tab-${api.id}`}>
      {api.title}
    </span>
  );
}

/** A hidden panel keeps its state and does no work. */
function Panel({ api }: IDockviewPanelProps) {
  const [visible, setVisible] = useState(api.isVisible);
  useEffect(() => {
    const listening = api.onDidVisibilityChange((event) => setVisible(event.isVisible));
    setVisible(api.isVisible);
    return () => listening.dispose();
  }, [api]);
  const definition = findPanel(api.id);
  if (!definition) return <EmptyState title="No such panel" reason={`This version has no panel "${api.id}".`} />;
  const Content = definition.component;
  return (
    <Activity mode={visible ? 'visible' : 'hidden'}>
      <PanelBoundary>
        <Suspense fallback={<PanelLoading title={definition.title} />}>
          <Content />
        </Suspense>
      </PanelBoundary>
    </Activity>
  );
}

/** While its code loads the window is not idle. */
function PanelLoading({ title }: { title: string }) {
  useEffect(() => trackWork(), []);
  return <EmptyState title={title} reason="Loading the panel." />;
}

/** A fault in one panel leaves the others standing. */
export class PanelBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <ErrorState error={AppError.from(this.state.error).toData()}>
        <button type="button" className="button" onClick={() => this.setState({ error: null })}>
          Show the panel again
        </button>
      </ErrorState>
    );
  }
}
