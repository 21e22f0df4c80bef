// Where the marks of a gauge lie, and how its numbers are written.
import { count, hertz, millilitres, millimetres, shotMillilitres } from '../../lib/format';
import type { Gauge } from './types';

/** The width of a gauge's bar, in its own units. */
export const WIDTH = 1_000;

const UNITS: Record<string, string> = { 'µm': 'mm', mHz: 'Hz', nl: 'ml' };

export interface Mark {
  kind: 'soft' | 'hard';
  x: number;
}

export interface Bar {
  value: number | null;
  set: number | null;
  marks: Mark[];
  /** The stretch between the soft limits, else the hard ones; what is absent is open to that side. */
  good: { from: number; to: number };
  /** The stretches before the limits in which the page warns. */
  near: { from: number; to: number }[];
}

/** Lays a gauge out; the scale begins at zero and leaves room behind the last limit. */
export function bar(gauge: Gauge): Bar {
  const all = [gauge.value, gauge.set, gauge.soft_max, gauge.hard_max, gauge.soft_min, gauge.hard_min];
  const known = all.filter((it): it is number => it != null && it >= 0);
  // A soft limit far below the hard one keeps its place: the scale follows the nearest maximum.
  const limit = gauge.soft_max ?? gauge.hard_max;
  const top = Math.max(
    1,
    limit == null ? Math.max(0, ...known) * 1.25 : limit * 1.35,
    (gauge.value ?? 0) * 1.05,
  );
  const x = (value: number) => Math.round(Math.min(1, Math.max(0, value / top)) * WIDTH);
  const marks: Mark[] = [];
  const add = (kind: Mark['kind'], at: number | null | undefined) => {
    if (at != null && at <= top) marks.push({ kind, x: x(at) });
  };
  add('soft', gauge.soft_min);
  add('soft', gauge.soft_max);
  add('hard', gauge.hard_min);
  add('hard', gauge.hard_max);
  const from = gauge.soft_min ?? gauge.hard_min;
  const to = gauge.soft_max ?? gauge.hard_max;
  const near: Bar['near'] = [];
  if (gauge.near_min != null && from != null) near.push({ from: x(from), to: x(gauge.near_min) });
  if (gauge.near_max != null && to != null) near.push({ from: x(gauge.near_max), to: x(to) });
  return {
    near,
    value: gauge.value == null ? null : x(gauge.value),
    set: gauge.set == null ? null : x(gauge.set),
    marks,
    good: { from: from == null ? 0 : x(from), to: to == null ? WIDTH : x(to) },
  };
}

/** A value without its unit. */
export function number(gauge: Gauge, value: number | null | undefined): string {
  switch (gauge.unit) {
    case 'µm':
      return millimetres(value);
    case 'mHz':
      return hertz(value);
    case 'nl':
      return gauge.quantity === 'volume per trigger' ? shotMillilitres(value) : millilitres(value);
    default:
      return count(value);
  }
}

/** The unit that people use. */
export function unit(gauge: Gauge): string {
  return UNITS[gauge.unit] ?? gauge.unit;
}

/** How far it is to the nearer maximum, as people read it; null where there is none ahead. */
export function left(gauge: Gauge): string | null {
  const max = gauge.soft_max ?? gauge.hard_max;
  if (max == null || gauge.value == null || gauge.value > max) return null;
  return `${number(gauge, max - gauge.value)} ${unit(gauge)}`;
}
