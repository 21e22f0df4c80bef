// Numbers as people type them.

/** A decimal number as a whole number of millionths or thousandths; null where it is none. */
export function whole(text: string, digits: number): number | null {
  const match = /^(\d{1,5})(?:[.,](\d+))?$/.exec(text.trim());
  const fraction = match?.[2] ?? '';
  if (!match || fraction.length > digits) return null;
  return Number(match[1]) * 10 ** digits + Number(fraction.padEnd(digits, '0') || '0');
}
