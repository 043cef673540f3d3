/**
 * Imported before anything that makes a schema: zod would otherwise try `new Function`, which the Content Security Policy
 * of the window refuses and reports.
 */
import { config } from 'zod';

config({ jitless: true });
