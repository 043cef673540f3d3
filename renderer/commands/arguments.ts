/** Arguments of commands come from tests, links and menus: read field by field. */
import { AppError } from '../../electron/contract/errors';

/** The field of an argument object, when it is there and of the type. */
export function argument(args: unknown, key: string, type: 'string'): string | undefined;
export function argument(args: unknown, key: string, type: 'number'): number | undefined;
export function argument(args: unknown, key: string, type: 'boolean'): boolean | undefined;
export function argument(args: unknown, key: string, type: string): unknown {
  const value = typeof args === 'object' && args !== null ? (args as Record<string, unknown>)[key] : undefined;
  return typeof value === type ? value : undefined;
}

/** @throws AppError `usage` naming the command and the missing argument. */
export function needed<T>(value: T | undefined, command: string, key: string): T {
  if (value === undefined) {
    throw new AppError({ code: 'usage', message: `${command} needs the argument ${key}.`, subject: command });
  }
  return value;
}
