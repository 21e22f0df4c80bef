// The fields that can be corrected, as people read and type them.
import { whole } from './syringe';
import { t } from './text';

export function fieldName(field: string): string {
  return t.amend.fields[field] ?? field;
}

/** The value that holds now. */
export function shownField({ field, value }: { field: string; value: string }): string {
  return field.endsWith('_nl') ? String(Number(value) / 1_000_000) : value;
}

/** What was typed, as the driver takes it; null where it is no value of the field. */
export function rawField(field: string, typed: string): string | null {
  const text = typed.trim();
  if (field === 'needle_lot') return text === '' ? null : text;
  const number = whole(text, field.endsWith('_nl') ? 6 : 0);
  return number === null ? null : String(number);
}
