import { expect, test } from 'vitest';
import { collect, emptyBatch, merge, WAITING_SHOT_COUNT_MAX } from '../src/lib/queue';
import { sampleGun, sampleShot } from './sample';

test('only the newest state of a gun waits for the frame', () => {
  const batch = emptyBatch();
  collect(batch, { kind: 'gun', gun: { ...sampleGun('GUN-0001'), rate_spm: 1 } });
  collect(batch, { kind: 'gun', gun: { ...sampleGun('GUN-0001'), rate_spm: 2 } });
  expect(batch.guns.size).toBe(1);
  expect(batch.guns.get('GUN-0001')?.rate_spm).toBe(2);
});

test('every shot waits for the frame', () => {
  const batch = emptyBatch();
  collect(batch, { kind: 'shots', shots: [sampleShot(1), sampleShot(2)] });
  collect(batch, { kind: 'shots', shots: [sampleShot(3)] });
  expect(batch.shots.map((shot) => shot.counter)).toEqual([1, 2, 3]);
});

test('a tab that draws nothing for long reads everything again instead of growing', () => {
  const batch = emptyBatch();
  const many = Array.from({ length: WAITING_SHOT_COUNT_MAX }, (_, n) => sampleShot(n));
  collect(batch, { kind: 'shots', shots: many });
  expect(batch.resync).toBe(false);
  collect(batch, { kind: 'shots', shots: [sampleShot(0)] });
  expect(batch.resync).toBe(true);
  expect(batch.shots.length).toBe(0);
});

test('merging keeps the order, changes in place and puts what is new in front', () => {
  const old = [sampleGun('A'), sampleGun('B')];
  const newer = { ...sampleGun('B'), rate_spm: 9 };
  const changed = new Map([
    ['C', sampleGun('C')],
    ['B', newer],
  ]);
  const merged = merge(old, changed, (gun) => gun.serial);
  expect(merged.map((gun) => gun.serial)).toEqual(['C', 'A', 'B']);
  expect(merged[1]).toBe(old[0]);
  expect(merged[2]).toBe(newer);
  expect(changed.size).toBe(2);
});
