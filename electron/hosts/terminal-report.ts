/** Report on a terminal: the table on stdout, progress on stderr, or one JSON object a line. */
import type { Report } from './opening';

interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
}

export function terminalReport({ json, out, err }: { json: boolean; out: Output; err: Output }): Report {
  let lastLabel = '';
  let open = false;
  const endProgress = () => {
    if (open) err.write('\r\x1b[K');
    open = false;
  };
  return {
    text: (line) => {
      endProgress();
      if (!json) out.write(`${line.trimEnd()}\n`);
    },
    data: (event) => {
      endProgress();
      if (json) out.write(`${JSON.stringify(event)}\n`);
    },
    progress: (label, done, total) => {
      if (err.isTTY === true) {
        const share = total > 0 ? ` ${Math.floor((100 * done) / total)} %` : '';
        err.write(`\r\x1b[K${label}${share}`);
        open = true;
      } else if (label !== lastLabel) err.write(`${label}\n`);
      lastLabel = label;
    },
  };
}
