import { AppError } from '../../electron/contract/errors';

/** @throws AppError `unsupported` with the text in it where the host refuses the clipboard. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    throw new AppError({
      code: 'unsupported',
      message: 'The clipboard is not available to this window.',
      found: text,
      remedy: 'Copy the text above by hand.',
    });
  }
}
