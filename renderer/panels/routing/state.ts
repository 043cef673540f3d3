/** Subject: what the Routing panel compares with. Which batch, token and expert is selected lives in the selection store. */
import { create } from 'zustand';

export interface RoutingState {
  /** id of the device whose floors are shown; null = the first of the list */
  device: string | null;
}

export const useRouting = create<RoutingState>(() => ({ device: null }));
