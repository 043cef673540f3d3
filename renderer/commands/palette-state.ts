import { create } from 'zustand';

/** Whether the palette is open; apart from it, so that commands need not import the component. */
export const usePalette = create<{ open: boolean }>(() => ({ open: false }));
