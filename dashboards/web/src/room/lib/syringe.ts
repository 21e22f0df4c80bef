// What a person fills in of syringe and needle, and what the driver is told of it.
import { dayOf } from './days';
import { whole } from './number';
import type { MaterialFacts, Segment, SegmentStep } from './types';

export interface Row {
  key: number;
  name: string;
  concentration: string;
  lot: string;
  expiry: string | null;
  expired: boolean;
}

export interface Material {
  rows: Row[];
  readyMade: boolean;
  loadedMl: string;
  deadMl: string;
  lengthMm: string;
  gauge: string;
  needles: string;
  needleLot: string;
  /** Whether needle, syringe and tube are new for this patient. */
  isNew: boolean;
  nextKey: number;
}

export function emptyRow(key: number): Row {
  return { key, name: '', concentration: '', lot: '', expiry: null, expired: false };
}

export function emptyMaterial(): Material {
  return {
    rows: [emptyRow(0)],
    readyMade: true,
    loadedMl: '5',
    deadMl: '0.1',
    lengthMm: '4',
    gauge: '30',
    needles: '1',
    needleLot: '',
    isNew: false,
    nextKey: 1,
  };
}

/** The material of a segment, to begin the next one with. */
export function materialOf({ syringe, needle }: Segment, isNewSyringe: boolean, isNewNeedle: boolean): Material {
  const ml = (nl: number) => String(nl / 1_000_000);
  return {
    rows: syringe.components.map((it, key) => ({
      ...emptyRow(key),
      name: it.name,
      concentration: it.concentration,
      lot: isNewSyringe ? '' : it.lot,
    })),
    readyMade: syringe.ready_made,
    loadedMl: ml(syringe.loaded_nl),
    deadMl: ml(syringe.dead_volume_nl),
    lengthMm: String(needle.length_um / 1_000),
    gauge: String(needle.gauge),
    needles: String(needle.needle_count),
    needleLot: isNewNeedle ? '' : needle.lot,
    isNew: false,
    nextKey: syringe.components.length,
  };
}

/** What scanning told of the material of a segment; null where it told nothing. */
export function scannedFacts(material: Material, segment: string): MaterialFacts | null {
  const lots = material.rows.flatMap((row) => {
    const day = row.expiry === null ? null : dayOf(row.expiry);
    return day === null ? [] : [{ lot: row.lot.trim(), usable_until_day: day }];
  });
  if (lots.length === 0 && !material.isNew) return null;
  return {
    segment,
    ...(lots.length > 0 ? { lots } : {}),
    ...(material.isNew ? { consumables_are_new: true, needle_shots_before: 0 } : {}),
  };
}

/** The names of what is missing or no number. */
export function missing(material: Material): string[] {
  const out: string[] = [];
  if (material.rows.some((row) => !row.name.trim())) out.push('product');
  if (material.rows.some((row) => !row.concentration.trim())) out.push('concentration');
  if (material.rows.some((row) => !row.lot.trim())) out.push('lot');
  if (material.rows.some((row) => row.expired)) out.push('a lot that is not expired');
  if (whole(material.loadedMl, 6) === null) out.push('loaded volume');
  if (whole(material.deadMl, 6) === null) out.push('volume that stays in the tube');
  if (whole(material.lengthMm, 3) === null) out.push('needle length');
  if (whole(material.gauge, 0) === null) out.push('gauge');
  if (whole(material.needles, 0) === null) out.push('needles');
  if (!material.needleLot.trim()) out.push('lot of the needle');
  return out;
}

export function bodies(
  material: Material,
  preparedBy: string,
): Pick<SegmentStep, 'syringe' | 'needle'> {
  return {
    syringe: {
      components: material.rows.map(({ name, concentration, lot }) => ({
        name: name.trim(),
        concentration: concentration.trim(),
        lot: lot.trim(),
      })),
      ready_made: material.readyMade,
      prepared_by: preparedBy,
      loaded_nl: whole(material.loadedMl, 6) ?? 0,
      dead_volume_nl: whole(material.deadMl, 6) ?? 0,
    },
    needle: {
      length_um: whole(material.lengthMm, 3) ?? 0,
      gauge: whole(material.gauge, 0) ?? 0,
      needle_count: whole(material.needles, 0) ?? 0,
      lot: material.needleLot.trim(),
    },
  };
}
