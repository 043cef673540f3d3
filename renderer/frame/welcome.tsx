/** What the window shows while nothing is open: the ways to open something. */
import { useConnection } from '../stores/connection';
import { EmptyState } from './panel-frame';
import { CommandButton } from './toolbar/command-button';

export function Welcome() {
  const status = useConnection((state) => state.link.status);
  const checkpoint = useConnection((state) => state.engine?.checkpoint ?? null);
  const loading = useConnection((state) => state.engine?.state === 'loading');
  if (status === 'connecting') {
    return (
      <div className="welcome">
        <EmptyState title="Connecting to the engine" reason="The window opens as soon as the engine answers." />
      </div>
    );
  }
  if (loading) {
    return (
      <div className="welcome">
        <EmptyState
          title="Loading"
          reason={`The layer of ${checkpoint?.name ?? 'the checkpoint'} is being prepared.`}
        />
      </div>
    );
  }
  return (
    <div className="welcome" data-testid="welcome">
      <div className="welcome-card">
        <h1>MoEscope</h1>
        <p>Runs one NVFP4 mixture-of-experts layer, shows which of b12x and CUTLASS each batch takes, and why.</p>
        {checkpoint && (
          <p className="status-warn">
            {checkpoint.name} is open, but no layer of it is loaded
            {checkpoint.layers.some(({ kind }) => kind === 'moe')
              ? ': choose one in the toolbar.'
              : ': it has no MoE layer.'}
          </p>
        )}
        <div className="welcome-way">
          <CommandButton id="checkpoint.open" label="Open checkpoint" className="primary">
            Open checkpoint
          </CommandButton>
          <p>
            A folder with config.json and safetensors, quantized by ModelOpt (NVFP4) or compressed-tensors
            (nvfp4-pack-quantized). None at hand? This makes one:
            <br />
            <code>moescope make-checkpoint --shape qwen3-30b-a3b --experts 8 --layers 1 --out DIR</code>
          </p>
        </div>
        <div className="welcome-way">
          <CommandButton id="session.open" label="Open session">
            Open session
          </CommandButton>
          <p>
            A recorded folder name.moesession: replays without the checkpoint and without the device it was made on.
          </p>
        </div>
      </div>
    </div>
  );
}
