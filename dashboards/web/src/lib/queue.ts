// Live events on their way to the screen: collected, merged, applied once per frame.
import type { AlertView, GunView, LiveEvent, OverviewView, SessionView, ShotView } from './types';

/**
 * The most shots that wait for a frame; a hidden tab draws no frames. More are dropped and
 * everything is read again when the tab is seen.
 */
export const WAITING_SHOT_COUNT_MAX = 20_000;

export interface Batch {
  shots: ShotView[];
  guns: Map<string, GunView>;
  sessions: Map<string, SessionView>;
  alerts: Map<string, AlertView>;
  overview: OverviewView | null;
  resync: boolean;
}

export function emptyBatch(): Batch {
  return {
    shots: [],
    guns: new Map(),
    sessions: new Map(),
    alerts: new Map(),
    overview: null,
    resync: false,
  };
}

/** Merges an event into a batch: only the newest state of a thing is worth drawing. */
export function collect(batch: Batch, event: LiveEvent): void {
  switch (event.kind) {
    case 'shots':
      if (batch.shots.length + event.shots.length > WAITING_SHOT_COUNT_MAX) {
        batch.shots = [];
        batch.resync = true;
      } else {
        batch.shots.push(...event.shots);
      }
      break;
    case 'gun':
      batch.guns.set(event.gun.serial, event.gun);
      break;
    case 'session':
      batch.sessions.set(event.session.id, event.session);
      break;
    case 'alert':
      batch.alerts.set(event.alert.id, event.alert);
      break;
    case 'overview':
      batch.overview = event.overview;
      break;
    case 'resync':
      batch.resync = true;
      break;
  }
}

/** Puts changed things into a list, in place where known, else in front. */
export function merge<T>(list: T[], changed: Map<string, T>, id: (item: T) => string): T[] {
  if (changed.size === 0) return list;
  const left = new Map(changed);
  const merged = list.map((item) => {
    const key = id(item);
    const newer = left.get(key);
    left.delete(key);
    return newer ?? item;
  });
  return left.size === 0 ? merged : [...left.values(), ...merged];
}
