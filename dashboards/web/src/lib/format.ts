// Numbers and times as people read them. The wire carries whole µm, nl, µs and mHz; only here do
// they become mm, ml and Hz.

export const LOCALE = 'en-GB';

/** What stands where a value is missing; missing is never zero. */
export const MISSING = '–';

type Maybe = number | null | undefined;

function upTo(least: number, most: number): Intl.NumberFormat {
  return new Intl.NumberFormat(LOCALE, {
    minimumFractionDigits: least,
    maximumFractionDigits: most,
  });
}

function decimals(count: number): Intl.NumberFormat {
  return upTo(count, count);
}

const whole = decimals(0);
const one = decimals(1);
const two = decimals(2);
const four = decimals(4);

/** Whole µm as mm with two decimals, without the unit. */
export function millimetres(um: Maybe): string {
  return um == null ? MISSING : two.format(um / 1_000);
}

/** Whole nl of one trigger as ml with four decimals (a tenth of a microlitre), without the unit. */
export function shotMillilitres(nl: Maybe): string {
  return nl == null ? MISSING : four.format(nl / 1_000_000);
}

/** Whole nl of a sum as ml with two decimals, without the unit. */
export function millilitres(nl: Maybe): string {
  return nl == null ? MISSING : two.format(nl / 1_000_000);
}

/**
 * Thousandths of a hertz as Hz with one decimal, below 1 Hz with two, without the unit; a rate too
 * slow for that is not rounded to nothing.
 */
export function hertz(mhz: Maybe): string {
  if (mhz == null) return MISSING;
  if (mhz > 0 && mhz < 5) return `< ${two.format(0.01)}`;
  return (mhz < 1_000 ? two : one).format(mhz / 1_000);
}

/** The digits after the point that tell the marks of an axis apart, 6 at most. */
function tickDigits(values: number[]): number {
  for (let digits = 0; digits < 6; digits += 1) {
    const factor = 10 ** digits;
    if (values.every((value) => Math.abs(value * factor - Math.round(value * factor)) < 1e-6)) {
      return digits;
    }
  }
  return 6;
}

/** The marks of an axis, all with the same digits, none of them rounded. */
export function tickLabels(values: number[]): string[] {
  const format = decimals(tickDigits(values));
  return values.map((value) => format.format(value));
}

/** A count with separators. */
export function count(value: Maybe): string {
  return value == null ? MISSING : whole.format(value);
}

/** A share in percent; without a denominator there is no share. */
export function percent(part: number, all: number): string {
  if (all <= 0) return MISSING;
  // Never rounds up to a full hundred: 299 of 300 is not all.
  const share = Math.floor((part * 1_000) / all) / 10;
  return `${share === 100 ? whole.format(100) : one.format(share)} %`;
}

const exactMillimetres = upTo(1, 3);
const exactMillilitres = upTo(1, 6);
const fineHertz = upTo(1, 2);

/**
 * A value of a rule in the unit that people use for it; as exact as it is recorded, because 10.004
 * mm is above 10 mm.
 */
export function ruleValue(value: number, unit: string): string {
  switch (unit) {
    case 'µm':
      return `${exactMillimetres.format(value / 1_000)} mm`;
    case 'nl':
      return `${exactMillilitres.format(value / 1_000_000)} ml`;
    case 'µs':
      return value > 0 ? `${fineHertz.format(1_000_000 / value)} Hz` : MISSING;
    case 'pg':
      return `${exactMillimetres.format(value / 1_000_000_000)} mg`;
    case 'nU':
      return `${exactMillimetres.format(value / 1_000_000_000)} U of its brand`;
    case '‰':
      return `${exactMillimetres.format(value / 10)} %`;
    case 's':
      return `${exactMillimetres.format(value / 60)} min`;
    default:
      return `${count(value)} ${unit}`;
  }
}

/** The unit in which the findings of a rule are counted, as the limit engine names it. */
export function unitOfRule(rule: string): string {
  switch (rule) {
    case 'needle depth':
    case 'needle layer':
    case 'needle length':
      return 'µm';
    case 'volume per trigger':
    case 'session volume':
    case 'zone volume':
    case 'course volume':
    case 'syringe balance':
      return 'nl';
    case 'drug mass':
      return 'pg';
    case 'drug units':
      return 'nU';
    case 'session length':
      return 's';
    case 'days since the last session':
    case 'days since the last dose':
      return 'days';
    case 'points of the session':
      return 'points';
    case 'sessions of the course':
      return 'sessions';
    case 'age':
      return 'years';
    case 'needle gauge':
      return 'gauge';
    case 'components of the cocktail':
      return 'components';
    case 'variation of volume':
    case 'variation of needle depth':
    case 'drift of volume':
    case 'drift of needle depth':
      return '‰';
    case 'shot rate':
      return 'µs';
    default:
      return 'shots';
  }
}

const clockFormat = new Intl.DateTimeFormat(LOCALE, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const minuteFormat = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short' });
const longDayFormat = new Intl.DateTimeFormat(LOCALE, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});

/** The time of day, to the second. */
export function clock(ms: number): string {
  return clockFormat.format(ms);
}

/** The time of day, to the minute. */
export function minute(ms: number): string {
  return minuteFormat.format(ms);
}

/** The day and month. */
export function day(ms: number): string {
  return dayFormat.format(ms);
}

/** The day with its weekday and year. */
export function longDay(ms: number): string {
  return longDayFormat.format(ms);
}

/** The moment as short as it can be said: the time alone if it is today. */
export function moment(ms: number, nowMs: number): string {
  const today = new Date(nowMs).toDateString() === new Date(ms).toDateString();
  return today ? clock(ms) : `${day(ms)}, ${minute(ms)}`;
}

/** A length of time as `12 s`, `3 min 05 s`, `2 h 10 min` or `4 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** The beginning of a long identifier; the whole of it belongs into a title. */
export function shortId(id: string): string {
  return id.length > 10 ? `${id.slice(0, 8)}…` : id;
}

/** A slug as words: `mesolift-face` becomes `Mesolift face`. */
export function words(slug: string): string {
  const text = slug.replaceAll('-', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
