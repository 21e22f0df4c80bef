// Days as sums and as columns for charts.
import type { DayView } from './types';

export interface Sums {
  sessions: number;
  clean: number;
  shots: number;
  volumeNl: number;
  hard: number;
  soft: number;
}

export function sums(days: DayView[]): Sums {
  const total: Sums = { sessions: 0, clean: 0, shots: 0, volumeNl: 0, hard: 0, soft: 0 };
  for (const day of days) {
    total.sessions += day.session_count;
    total.clean += day.clean_session_count;
    total.shots += day.shot_count;
    total.volumeNl += day.volume_nl;
    total.hard += day.hard_count;
    total.soft += day.soft_count;
  }
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

export function columns(days: DayView[]): Columns {
  return {
    days: days.map((day) => Date.parse(`${day.day}T12:00:00`) / 1_000),
    sessions: days.map((day) => day.session_count),
    breached: days.map((day) => Math.max(0, day.session_count - day.clean_session_count)),
    shots: days.map((day) => day.shot_count),
    volumeMl: days.map((day) => day.volume_nl / 1_000_000),
    hard: days.map((day) => day.hard_count),
    soft: days.map((day) => day.soft_count),
  };
}
