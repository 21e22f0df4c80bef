// Beginning a segment, the first one or another.
import { api } from './api';
import { bodies, scannedFacts, type Material } from './syringe';
import type { Person } from './types';

/** In the place of a gun's serial number: a syringe in the hand. */
export const MANUAL = 'manual';

export interface SegmentBegin {
  session: string;
  /** The gun's serial number, or {@link MANUAL}. */
  gun: string;
  zone: string;
  technique: string;
  /** The phase of the course, counted from 1; null where nobody says it. */
  phase: number | null;
  material: Material;
  /** Why the segment before it ended; empty for the first. */
  reason: string;
}

/** Begins a segment, and tells what scanning told of its material. */
export async function beginSegment(begin: SegmentBegin, me: Person): Promise<void> {
  const { session, gun, zone, technique, phase, material, reason } = begin;
  const segment = {
    session,
    ...(gun === MANUAL ? {} : { gun }),
    zone,
    technique,
    ...(phase === null ? {} : { course_phase: phase }),
    ...bodies(material, me.id),
    operator: me.id,
    reason: reason.trim(),
  };
  const taken = await api.step({ segment });
  const facts = taken.segment ? scannedFacts(material, taken.segment) : null;
  if (facts) await api.step({ material: { session, operator: me.id, material: facts } });
}
