import { describe as group, expect, test } from 'vitest';
import { ApiFailure, failure, sentence, unwrap } from '../src/lib/api';
import { describe } from '../src/lib/findings';
import { fileSize, span } from '../src/lib/period';
import { chartRange, labelledPlaces, paddedSpan } from '../src/lib/scale';
import { columns, sums } from '../src/lib/trend';

group('the range of a chart', () => {
  test('holds the data and the soft band', () => {
    const range = chartRange([2_000, 2_100], { soft_min: 1_000, soft_max: 4_000 });
    expect(range?.min).toBeLessThan(1_000);
    expect(range?.max).toBeGreaterThan(4_000);
  });

  test('shows a hard limit only when the data come near it', () => {
    expect(chartRange([2_000], { soft_max: 3_000, hard_max: 10_000 })?.max).toBeLessThan(10_000);
    expect(chartRange([9_000], { soft_max: 3_000, hard_max: 10_000 })?.max).toBeGreaterThan(10_000);
  });

  test('does not exist without data and limits', () => {
    expect(chartRange([], null)).toBe(null);
    expect(chartRange([5], null)?.max).toBeGreaterThan(5);
  });
});

group('the time axis', () => {
  test('has room for whole dots at both ends', () => {
    expect(paddedSpan([1_000, 1_200])).toEqual([998, 1_202]);
    expect(paddedSpan([1_000, 1_000])).toEqual([999.5, 1_000.5]);
  });

  test('labels the last day always, and no more days than have room', () => {
    expect(labelledPlaces(3, 10)).toEqual([0, 1, 2]);
    expect(labelledPlaces(30, 10)).toEqual([4, 9, 14, 19, 24, 29]);
    expect(labelledPlaces(365, 4).at(-1)).toBe(364);
    expect(labelledPlaces(365, 4).length).toBeLessThanOrEqual(4);
    expect(labelledPlaces(0, 4)).toEqual([]);
  });
});

group('a finding as a line', () => {
  test('names rule, value and limit', () => {
    const finding = { rule: 'needle depth', severity: 'hard', bound: 'maximum', value: 10_800, limit: 10_000 };
    expect(describe(finding)).toBe('needle depth 10.8 mm is above the hard limit of 10.0 mm');
  });

  test('an interval that is too short is a rate that is too high', () => {
    const finding = { rule: 'shot rate', severity: 'hard', bound: 'minimum', value: 96_154, limit: 111_111 };
    expect(describe(finding)).toBe('shot rate 10.4 Hz is above the hard limit of 9.0 Hz');
  });

  test('an interval that is too long is a rate that is too low', () => {
    const finding = { rule: 'shot rate', severity: 'soft', bound: 'maximum', value: 2_000_000, limit: 1_000_000 };
    expect(describe(finding)).toBe('shot rate 0.5 Hz is below the soft limit of 1.0 Hz');
  });

  test('what could not be judged is not good', () => {
    const finding = { rule: 'needle depth', severity: 'not checkable', value: 0, limit: 0, reason: 'no session' };
    expect(describe(finding)).toBe('needle depth could not be judged: no session');
  });
});

group('the period of a report', () => {
  const now = new Date(2026, 10, 22, 15, 30).getTime();
  const midnight = (day: number) => new Date(2026, 10, day).getTime();

  test('ends with the night after its last day', () => {
    expect(span('today', now, '', '')).toEqual({ from_ms: midnight(22), to_ms: midnight(23) });
    expect(span('week', now, '', '')).toEqual({ from_ms: midnight(16), to_ms: midnight(23) });
    expect(span('custom', now, '2026-11-03', '2026-11-03')).toEqual({
      from_ms: midnight(3),
      to_ms: midnight(4),
    });
  });

  test('everything has no ends', () => {
    expect(span('all', now, '', '')).toEqual({});
  });

  test('a last day before the first is no period', () => {
    expect(span('custom', now, '2026-11-03', '2026-11-02')).toBe(null);
    expect(span('custom', now, '', '2026-11-02')).toBe(null);
  });
});

test('a file has a size that people say', () => {
  expect([999, 1_500, 2_500_000].map(fileSize)).toEqual(['999 bytes', '1.5 kB', '2.5 MB']);
});

test('days are summed and turned into columns', () => {
  const day = {
    day: '2026-11-22',
    session_count: 8,
    clean_session_count: 6,
    shot_count: 2_000,
    volume_nl: 40_000_000,
    hard_count: 3,
    soft_count: 5,
  };
  expect(sums([day, day], 1)).toEqual({
    sessions: 16,
    settled: 15,
    clean: 12,
    shots: 4_000,
    volumeNl: 80_000_000,
    hard: 6,
    soft: 10,
  });
  const column = columns([day], 1);
  expect(column.breached).toEqual([1]);
  expect(columns([day, day], 1).breached).toEqual([2, 1]);
  expect(columns([{ ...day, hard_count: 0 }], 0).breached).toEqual([0]);
  expect(column.volumeMl).toEqual([40]);
  expect(new Date((column.days[0] ?? 0) * 1_000).getDate()).toBe(22);
});

group('answers', () => {
  test('data are handed on', () => {
    expect(unwrap({ data: [1], response: new Response('[1]') })).toEqual([1]);
  });

  test('an error says what the server says', () => {
    const error = { code: 'conflict', message: 'it is resolved' };
    const answer = { error, response: new Response('', { status: 409 }) };
    expect(() => unwrap(answer)).toThrow(new ApiFailure('conflict', 'it is resolved'));
    expect(sentence(failure(error, 409))).toBe('it is resolved');
  });

  test('an answer that cannot be read is said to be so', () => {
    expect(failure('<html>', 502).message).toContain('502');
    expect(sentence(new TypeError('fetch failed'))).toContain('cannot be reached');
  });
});
