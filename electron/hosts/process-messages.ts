/** What goes between the engine's process and the one that started it. Both ends parse. */
import { z } from 'zod';
import { AppErrorSchema } from '../contract/errors';
import { ToWindowSchema } from '../contract/messages';

const window = z.number().int();

export const ToProcessSchema = z.discriminatedUnion('type', [
  /** a window; its port comes with the message (utility process), or its messages come as `receive` */
  z.object({ type: z.literal('attach'), window }),
  /** from a window, not parsed yet */
  z.object({ type: z.literal('receive'), window, message: z.unknown() }),
  z.object({ type: z.literal('detach'), window }),
  /** finish what must be finished (a recording) and end */
  z.object({ type: z.literal('end') }),
]);
export type ToProcess = z.infer<typeof ToProcessSchema>;

export const FromProcessSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('deliver'), window, message: ToWindowSchema }),
  /** names of the requests under way; `batches` while a run is going on */
  z.object({ type: z.literal('activity'), running: z.array(z.string()) }),
  /** said just before the process ends by its own fault */
  z.object({ type: z.literal('fatal'), error: AppErrorSchema }),
]);
export type FromProcess = z.infer<typeof FromProcessSchema>;
