// From a choice of days to the moments that a report asks for.

export type Period = 'today' | 'week' | 'month' | 'all' | 'custom';

export interface Span {
  from_ms?: number;
  to_ms?: number;
}

/** Midnight that begins the day of a moment, in the time zone of the browser. */
export function midnight(ms: number): number {
  const date = new Date(ms);
  date.setHours(0, 0, 0, 0);
  return date.getTime();
}

function addDays(ms: number, days: number): number {
  const date = new Date(ms);
  date.setDate(date.getDate() + days); // not 24 hours: some days have 23 or 25
  return date.getTime();
}

/** The moments of a period; `null` where the last day is before the first or a day is missing. */
export function span(period: Period, nowMs: number, from: string, to: string): Span | null {
  const today = midnight(nowMs);
  switch (period) {
    case 'all':
      return {};
    case 'today':
      return { from_ms: today, to_ms: addDays(today, 1) };
    case 'week':
      return { from_ms: addDays(today, -6), to_ms: addDays(today, 1) };
    case 'month':
      return { from_ms: addDays(today, -29), to_ms: addDays(today, 1) };
    case 'custom': {
      const first = Date.parse(`${from}T00:00:00`);
      const last = Date.parse(`${to}T00:00:00`);
      if (Number.isNaN(first) || Number.isNaN(last) || last < first) return null;
      return { from_ms: first, to_ms: addDays(last, 1) };
    }
  }
}

/** The size of a file as people say it. */
export function fileSize(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
