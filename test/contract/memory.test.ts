import { expect, it } from 'vitest';
import { memoryEngine } from './memory-engine';
import { engineSuite } from './suite';

engineSuite('memory', async () => memoryEngine());

it('sends nothing a window did not ask for before hello, and state after every change', async () => {
  const { client, close } = memoryEngine();
  await client.request('hello', { contract: 1 });
  expect(client.events).toEqual([]);
  await client.failure('checkpoint.open', { path: '/nowhere' });
  expect(client.all('state').map(({ state }) => state)).toEqual(['loading', 'empty']);
  await close();
});
