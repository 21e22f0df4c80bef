// The fields that can be corrected, as people read and type them.
import { whole } from './number';
import { t } from './text';

/** Whole numbers with no digits behind the point. */
const COUNTS = ['points', 'sessions_before', 'needle_shots_before', 'needle_angle_degrees'];
/** Yes, no, or not known. */
const TRUTHS = ['consumables_are_new'];
/** What may be empty: not known, or none. */
const EMPTY_ALLOWED = [
  ...['residual_nl', 'needle_shots_before', 'needle_angle_degrees', 'consumables_are_new'],
  ...['consent', 'guardian_consent', 'assessment', 'follow_up'],
];

export const mayBeEmpty = (field: string): boolean => EMPTY_ALLOWED.includes(field);

export const isTruth = (field: string): boolean => TRUTHS.includes(field);

export const isNumber = (field: string): boolean => field.endsWith('_nl') || COUNTS.includes(field);

export function fieldName(field: string): string {
  const component = /^lot_(\d+)$/.exec(field)?.[1];
  return component ? t.amend.componentLot(component) : (t.amend.fields[field] ?? field);
}

/** A value as people read it. */
export function shownValue(field: string, value: string): string {
  if (value === '') return t.amend.empty;
  if (isTruth(field)) return value === 'true' ? t.yes : t.no;
  return field.endsWith('_nl') ? `${Number(value) / 1_000_000} ml` : value;
}

/** What was typed, as the driver takes it; null where it is no value of the field. */
export function rawField(field: string, typed: string): string | null {
  const text = typed.trim();
  // That nothing is known is said by itself, never by a field that was left empty.
  if (text === '') return null;
  if (!isNumber(field)) return text;
  const number = whole(text, field.endsWith('_nl') ? 6 : 0);
  return number === null ? null : String(number);
}
