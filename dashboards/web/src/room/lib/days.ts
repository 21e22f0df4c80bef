// Days as inputs write them, and as records count them.

const DAY_MS = 86_400_000;

/** A day as inputs write it, as whole days since 1970; null where it is none. */
export function dayOf(date: string): number | null {
  const ms = Date.parse(`${date}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(date) && !Number.isNaN(ms) ? Math.round(ms / DAY_MS) : null;
}

/** The same the other way round. */
export function dateOf(day: number | null | undefined): string {
  return day == null ? '' : new Date(day * DAY_MS).toISOString().slice(0, 10);
}
