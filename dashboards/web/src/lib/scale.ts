// From values to places on a chart.
import type { BoundsView } from './types';

export interface Range {
  min: number;
  max: number;
}

/**
 * The range that a small chart shows: the data and the soft band, with a margin; a hard limit only
 * where the data come near it, since a limit far away would flatten everything.
 */
export function chartRange(values: number[], bounds: BoundsView | null | undefined): Range | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  for (const soft of [bounds?.soft_min, bounds?.soft_max]) {
    if (soft == null) continue;
    min = Math.min(min, soft);
    max = Math.max(max, soft);
  }
  if (!Number.isFinite(min)) return null;
  const hardMax = bounds?.hard_max;
  if (hardMax != null && max > hardMax * 0.8) max = Math.max(max, hardMax);
  const hardMin = bounds?.hard_min;
  if (hardMin != null && min < hardMin * 1.2) min = Math.min(min, hardMin);
  const margin = max > min ? (max - min) * 0.12 : Math.max(1, Math.abs(max) * 0.2);
  return { min: Math.max(0, min - margin), max: max + margin };
}

/** A span of time, in seconds, with room for whole dots at both ends. */
export function paddedSpan([first, last]: [number, number]): [number, number] {
  const margin = Math.max(0.5, (last - first) * 0.01);
  return [first - margin, last + margin];
}

/**
 * The places in a list of `count` days that get a label: the last one always, the others as close
 * as `most` labels allow.
 */
export function labelledPlaces(count: number, most: number): number[] {
  const steps = [1, 2, 5, 7, 14, 28, 56, 112];
  const step = steps.find((days) => Math.ceil(count / days) <= Math.max(1, most)) ?? count;
  const places: number[] = [];
  for (let place = count - 1; place >= 0; place -= step) places.unshift(place);
  return places;
}
