// Days as sums and as columns for charts.
import type { DayView } from './types';

export interface Sums {
  sessions: number;
  /** Sessions that are over: one that still runs may yet be breached. */
  settled: number;
  clean: number;
  shots: number;
  volumeNl: number;
  hard: number;
  soft: number;
}

/** Adds up days; `running` sessions of the last day are not settled yet. */
export function sums(days: DayView[], running: number): Sums {
  const total: Sums = {
    sessions: 0,
    settled: 0,
    clean: 0,
    shots: 0,
    volumeNl: 0,
    hard: 0,
    soft: 0,
  };
  for (const day of days) {
    total.sessions += day.session_count;
    total.clean += day.clean_session_count;
    total.shots += day.shot_count;
    total.volumeNl += day.volume_nl;
    total.hard += day.hard_count;
    total.soft += day.soft_count;
  }
  total.settled = Math.max(total.clean, total.sessions - running);
  return total;
}

export interface Columns {
  /** Noon of each day, in seconds since 1970, in the time zone of the browser. */
  days: number[];
  sessions: number[];
  breached: number[];
  shots: number[];
  volumeMl: number[];
  hard: number[];
  soft: number[];
}

/** Turns days into columns; `running` sessions of the last day count as not breached (yet). */
export function columns(days: DayView[], running: number): Columns {
  const last = days.length - 1;
  const breached = (day: DayView, place: number) =>
    day.hard_count === 0
      ? 0
      : day.session_count - day.clean_session_count - (place === last ? running : 0);
  return {
    days: days.map((day) => Date.parse(`${day.day}T12:00:00`) / 1_000),
    sessions: days.map((day) => day.session_count),
    breached: days.map((day, place) => Math.max(0, breached(day, place))),
    shots: days.map((day) => day.shot_count),
    volumeMl: days.map((day) => day.volume_nl / 1_000_000),
    hard: days.map((day) => day.hard_count),
    soft: days.map((day) => day.soft_count),
  };
}
