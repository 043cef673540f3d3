/** CSV and PNG of the chart or table beside them. */
import { AppError } from '../../electron/contract/errors';
import { download } from '../format/download';
import { showFailure } from '../stores/connection';
import { exportPng } from './export';

interface ExportButtonsProps {
  /** file name without ending */
  name: string;
  /** makes the CSV when asked */
  csv?: () => string;
  /** the element below which the chart is drawn */
  picture?: () => Element | null;
}

export function ExportButtons({ name, csv, picture }: ExportButtonsProps) {
  const save = () => {
    const root = picture?.();
    if (root) exportPng(`${name}.png`, root).catch((thrown) => showFailure(AppError.from(thrown).toData()));
  };
  return (
    <>
      {csv && (
        <button
          type="button"
          className="button quiet small"
          aria-label={`Export ${name} as CSV`}
          onClick={() => download(`${name}.csv`, csv())}
        >
          CSV
        </button>
      )}
      {picture && (
        <button type="button" className="button quiet small" aria-label={`Export ${name} as PNG`} onClick={save}>
          PNG
        </button>
      )}
    </>
  );
}
