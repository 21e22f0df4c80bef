// What the server found about one quantity of a shot. The page never judges by itself: there is
// one verdict, and it is made where the limits, the session and its totals are known.
import type { ShotView } from './types';

/** `unchecked` is a rule that lacked a fact; that is never the same as inside. */
export type Side = 'inside' | 'unchecked' | 'soft' | 'hard';

export const RULES = {
  depth: 'needle depth',
  volume: 'volume per trigger',
  rate: 'shot rate',
} as const;

/** The worst finding of a rule about a shot. */
export function side(shot: ShotView, rule: string): Side {
  let worst: Side = 'inside';
  for (const finding of shot.findings) {
    if (finding.rule !== rule) continue;
    if (finding.severity === 'hard') return 'hard';
    if (finding.severity === 'soft') worst = 'soft';
    else if (worst === 'inside') worst = 'unchecked';
  }
  return worst;
}

/** Why rules could not be judged for a shot, each reason once. */
export function unchecked(shot: ShotView): string[] {
  const reasons = shot.findings
    .filter((finding) => finding.severity === 'not checkable')
    .map((finding) => finding.reason ?? '');
  return [...new Set(reasons)].filter((reason) => reason !== '');
}
