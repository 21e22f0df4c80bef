// Valid values to begin a test with.
import type { GunView, ShotView } from '../src/lib/types';

export function sampleShot(counter: number, change: Partial<ShotView> = {}): ShotView {
  return {
    gun: 'GUN-0001',
    epoch: '0000000000000001',
    counter,
    at_ms: counter * 1_000,
    needle_depth_um: 2_500,
    volume_nl: 20_000,
    rate_mhz: 4_000,
    flags: [],
    purpose: 'patient',
    findings: [],
    ...change,
  };
}

export function sampleGun(serial: string): GunView {
  return { serial } as GunView;
}
