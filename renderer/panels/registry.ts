/** The panels of the window. A panel is a folder here with a `panel.ts` that exports its definition; adding one needs no other edit. */
import type { ComponentType, LazyExoticComponent } from 'react';

export interface PanelDefinition {
  /** short and stable: used in layouts, links and commands ("panel.open" with this id) */
  id: string;
  title: string;
  /** place among the tabs of the first layout */
  order: number;
  /** one sentence for the palette */
  summary: string;
  /** loaded when first shown; tolerates every store being empty */
  component: LazyExoticComponent<ComponentType> | ComponentType;
}

const modules = import.meta.glob<{ panel: PanelDefinition }>('./*/panel.ts', { eager: true });

/** All panels in the order of their tabs. */
export const panels: readonly PanelDefinition[] = Object.values(modules)
  .map((module) => module.panel)
  .sort((a, b) => a.order - b.order);

export function findPanel(id: string): PanelDefinition | undefined {
  return panels.find((panel) => panel.id === id);
}
