// The last minute of one gun, ready to be drawn.
import type { ShotView } from './types';
import { RULES, type Side, side } from './verdict';

/** How much of the past a card shows, in ms. */
export const WINDOW_MS = 60_000;

/** The most shots that are kept: a minute at 20 a second. The oldest go first. */
export const SHOT_COUNT_MAX = 1_200;

export interface Point {
  at: number;
  depthUm: number | null;
  volumeNl: number | null;
  rateMhz: number | null;
  depthSide: Side;
  volumeSide: Side;
  rateSide: Side;
  /** Whether the gun raised a flag, such as a failed injection. */
  flagged: boolean;
}

/** Shots of one gun in the order of their time, each once. */
export class Ring {
  points: Point[] = [];
  #keys: string[] = [];
  #known = new Set<string>();

  /** Takes a shot; one that is known already, or older than all of a full ring, changes nothing. */
  add(shot: ShotView): boolean {
    const key = `${shot.epoch}/${shot.counter}`;
    if (this.#known.has(key)) return false;
    let place = this.points.length;
    while (place > 0 && (this.points[place - 1]?.at ?? 0) > shot.at_ms) place -= 1;
    if (place === 0 && this.points.length >= SHOT_COUNT_MAX) return false;
    this.points.splice(place, 0, toPoint(shot));
    this.#keys.splice(place, 0, key);
    this.#known.add(key);
    if (this.points.length > SHOT_COUNT_MAX) this.#drop(this.points.length - SHOT_COUNT_MAX);
    return true;
  }

  /** Forgets what is older than the window. */
  prune(now: number): void {
    let old = 0;
    while (old < this.points.length && (this.points[old]?.at ?? now) < now - WINDOW_MS) old += 1;
    if (old > 0) this.#drop(old);
  }

  #drop(number: number): void {
    this.points.splice(0, number);
    for (const key of this.#keys.splice(0, number)) this.#known.delete(key);
  }
}

function toPoint(shot: ShotView): Point {
  return {
    at: shot.at_ms,
    depthUm: shot.needle_depth_um ?? null,
    volumeNl: shot.volume_nl ?? null,
    rateMhz: shot.rate_mhz ?? null,
    depthSide: side(shot, RULES.depth),
    volumeSide: side(shot, RULES.volume),
    rateSide: side(shot, RULES.rate),
    flagged: shot.flags.length > 0,
  };
}
