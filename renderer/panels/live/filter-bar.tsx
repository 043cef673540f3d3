/** The filters of the table: path, tokens, error. */
import { type Path, paths } from '../../../electron/contract/layer';
import { invoke } from '../../commands/registry';
import { noFilters, setFilters, useView } from '../../stores/view';
import { pathNames } from '../../theme/palette';

export function FilterBar() {
  const filters = useView((state) => state.filters);
  return (
    <>
      <label>
        Path
        <select
          className="select"
          aria-label="Filter by path"
          value={filters.path ?? ''}
          onChange={(event) => setFilters({ path: (event.target.value || null) as Path | null })}
        >
          <option value="">any</option>
          {paths.slice(0, 2).map((path) => (
            <option key={path} value={path}>
              {pathNames[path]}
            </option>
          ))}
        </select>
      </label>
      <span className="filter-group">
        Tokens
        <Limit name="Least tokens" value={filters.minTokens} onChange={(minTokens) => setFilters({ minTokens })} />
        to
        <Limit name="Most tokens" value={filters.maxTokens} onChange={(maxTokens) => setFilters({ maxTokens })} />
      </span>
      <span className="filter-group">
        NRMSE at least
        <Limit name="Least NRMSE" value={filters.minNrmse} onChange={(minNrmse) => setFilters({ minNrmse })} />
      </span>
      <label>
        <input
          type="checkbox"
          checked={filters.failedOnly}
          onChange={(event) => setFilters({ failedOnly: event.target.checked })}
        />
        failed only
      </label>
      {JSON.stringify(filters) !== JSON.stringify(noFilters) && (
        <button type="button" className="button quiet small" onClick={() => invoke('filters.clear')}>
          Clear
        </button>
      )}
    </>
  );
}

interface LimitProps {
  name: string;
  value: number | null;
  onChange: (value: number | null) => void;
}

function Limit({ name, value, onChange }: LimitProps) {
  return (
    <input
      className="input number filter-limit"
      type="number"
      min={0}
      step="any"
      aria-label={name}
      placeholder="any"
      value={value ?? ''}
      onChange={(event) => onChange(event.target.value === '' ? null : Math.max(0, event.target.valueAsNumber))}
    />
  );
}
