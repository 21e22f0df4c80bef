// The phases of a course, in words.
import type { Phase } from './types';
import { t } from './text';

/** From one number to another, either of which may be absent; empty where both are. */
function span(from: number | null | undefined, to: number | null | undefined): string {
  if (from != null && to != null) return from === to ? String(from) : t.phase.fromTo(from, to);
  if (from != null) return t.phase.atLeast(from);
  return to == null ? '' : t.phase.atMost(to);
}

/** How many sessions, how far apart, with what. */
export function phaseText(phase: Phase): string {
  const sessions = span(phase.session_count_min, phase.session_count_max);
  const interval = span(phase.interval_min_days, phase.interval_max_days);
  return [
    sessions ? t.phase.sessions(sessions) : t.phase.openEnded,
    ...(interval ? [t.phase.apart(interval)] : []),
    ...((phase.cocktail ?? []).length > 0 ? [t.phase.cocktail(phase.cocktail ?? [])] : []),
  ].join('; ');
}
