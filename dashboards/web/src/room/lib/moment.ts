// Moments as inputs write them, in the time of this computer, and as records count them.

/** A moment as `datetime-local` writes it. */
export function localMoment(ms: number): string {
  const at = new Date(ms);
  const local = new Date(ms - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** Nanoseconds since 1970 as text; null where the text is no moment. */
export function momentNs(local: string): string | null {
  const ms = Date.parse(local);
  return Number.isNaN(ms) ? null : (BigInt(ms) * 1_000_000n).toString();
}
