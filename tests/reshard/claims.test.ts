/** Who works on an intent: one at a time, and others see that it lives. */
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { claimIntent } from '../../sinks/generations.ts';
import { connectStore } from '../../sinks/store.ts';
import { freshFolder } from '../e2e/demo-set.ts';

it('is shown again and again while it is held, and ends when it is released', async () => {
  const store = await connectStore(freshFolder());
  const claims = async (): Promise<{ number: number; timeMs: number }[]> => {
    const table = await store.connection.openTable('intent_claims');
    return (await table.query().toArray()).map(({ json }) => JSON.parse(gunzipSync(json).toString()));
  };
  const held = (await claimIntent(store, 1, 30))!;
  const [first] = await claims();
  expect(await claimIntent(store, 1)).toBeNull();
  // From another host the age of the claim is all that tells whether its owner lives.
  await expect.poll(async () => (await claims())[0]!.timeMs).toBeGreaterThan(first!.timeMs);
  expect(await claims()).toHaveLength(1);
  await held.release();
  expect(await claims()).toEqual([]);
  const again = await claimIntent(store, 1);
  expect(again).not.toBeNull();
  await again!.release();
  store.connection.close();
});
