import { describe, expect, it } from 'vitest';
import { bar, left, number, unit, WIDTH } from '../src/room/lib/gauge';
import { whole } from '../src/room/lib/number';
import { missing, emptyMaterial } from '../src/room/lib/syringe';
import type { Gauge } from '../src/room/lib/types';

const depth: Gauge = {
  quantity: 'needle depth',
  unit: 'µm',
  value: 3_600,
  sensed: true,
  set: 3_500,
  soft_max: 4_000,
  hard_max: 10_000,
  standing: 'within',
};

describe('a gauge', () => {
  it('keeps value and soft limit apart although the hard limit is far away', () => {
    const drawn = bar(depth);
    expect(drawn.value).toBeLessThan(drawn.good.to);
    expect(drawn.good.to - (drawn.value ?? 0)).toBeGreaterThan(50);
    expect(drawn.marks.map((mark) => mark.kind)).toEqual(['soft']);
  });

  it('shows a value past every limit within its width', () => {
    const drawn = bar({ ...depth, value: 11_000 });
    expect(drawn.value).toBeLessThanOrEqual(WIDTH);
    expect(drawn.marks.map((mark) => mark.kind)).toEqual(['soft', 'hard']);
  });

  it('says nothing of a value that is missing', () => {
    const { value: _, ...without } = depth;
    expect(bar(without).value).toBeNull();
    expect(number(without, undefined)).toBe('–');
  });

  it('says what is left to the limit, and nothing past it', () => {
    expect(left(depth)).toBe('0.40 mm');
    expect(left({ ...depth, value: 4_001 })).toBeNull();
    expect(unit(depth)).toBe('mm');
  });
});

describe('numbers that people type', () => {
  it('become whole millionths without a float in between', () => {
    expect(whole('0.1', 6)).toBe(100_000);
    expect(whole('5', 6)).toBe(5_000_000);
    expect(whole('4,25', 3)).toBe(4_250);
    for (const bad of ['', '-1', '1.2345', '1e3', 'x']) expect(whole(bad, 3)).toBeNull();
  });

  it('are missing until they are there', () => {
    expect(missing(emptyMaterial())).toEqual(['product', 'concentration', 'lot', 'lot of the needle']);
  });
});
