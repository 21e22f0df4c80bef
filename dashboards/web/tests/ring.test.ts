import { expect, test } from 'vitest';
import { Ring, SHOT_COUNT_MAX, WINDOW_MS } from '../src/lib/ring';
import { sampleShot } from './sample';

test('a shot that comes twice is kept once', () => {
  const ring = new Ring();
  expect(ring.add(sampleShot(1))).toBe(true);
  expect(ring.add(sampleShot(1))).toBe(false);
  expect(ring.points.length).toBe(1);
});

test('the same counter of another epoch is another shot', () => {
  const ring = new Ring();
  ring.add(sampleShot(1));
  expect(ring.add(sampleShot(1, { epoch: '0000000000000002' }))).toBe(true);
});

test('a late shot takes its place in time', () => {
  const ring = new Ring();
  for (const counter of [1, 4, 2, 3]) ring.add(sampleShot(counter));
  expect(ring.points.map((point) => point.at)).toEqual([1_000, 2_000, 3_000, 4_000]);
});

test('a full ring drops its oldest shot and refuses older ones', () => {
  const ring = new Ring();
  for (let counter = 2; counter <= SHOT_COUNT_MAX + 2; counter += 1) ring.add(sampleShot(counter));
  expect(ring.points.length).toBe(SHOT_COUNT_MAX);
  expect(ring.points[0]?.at).toBe(3_000);
  expect(ring.add(sampleShot(1))).toBe(false);
});

test('pruning forgets what is older than the window', () => {
  const ring = new Ring();
  for (let counter = 1; counter <= 100; counter += 1) ring.add(sampleShot(counter));
  ring.prune(100_000);
  expect(ring.points[0]?.at).toBe(100_000 - WINDOW_MS);
  expect(ring.add(sampleShot(1, { at_ms: 100_500 }))).toBe(true);
});

test('the colour of a dot is the finding about its own quantity', () => {
  const ring = new Ring();
  const finding = { rule: 'needle depth', severity: 'hard', value: 12, limit: 10 };
  ring.add(sampleShot(1, { severity: 'hard', findings: [finding] }));
  expect(ring.points[0]).toMatchObject({ depthSide: 'hard', volumeSide: 'inside' });
});
