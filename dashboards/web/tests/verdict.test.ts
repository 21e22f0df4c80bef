import { expect, test } from 'vitest';
import { describe as inWords, isFilledIn } from '../src/lib/findings';
import { RULES, side, unchecked } from '../src/lib/verdict';
import { sampleShot } from './sample';

const finding = (rule: string, severity: string, reason: string | null = null) => ({
  rule,
  severity,
  reason,
  value: 0,
  limit: 0,
});

test('a shot without findings is inside', () => {
  expect(side(sampleShot(1), RULES.depth)).toBe('inside');
});

test('the worst finding of the rule decides', () => {
  const findings = [
    finding('needle depth', 'not checkable', 'no session'),
    finding('needle depth', 'soft'),
    finding('needle depth', 'hard'),
    finding('shot rate', 'soft'),
  ];
  const shot = sampleShot(1, { findings });
  expect(side(shot, RULES.depth)).toBe('hard');
  expect(side(shot, RULES.rate)).toBe('soft');
  expect(side(shot, RULES.volume)).toBe('inside');
});

test('what could not be judged is neither inside nor past a limit', () => {
  const findings = [
    finding('needle depth', 'not checkable', 'no session'),
    finding('shot rate', 'not checkable', 'no session'),
  ];
  const shot = sampleShot(1, { findings });
  expect(side(shot, RULES.depth)).toBe('unchecked');
  expect(unchecked(shot)).toEqual(['no session']);
});

test('a rule that answers yes or no is told by what is wrong, and never by numbers', () => {
  const found = { ...finding('consumables', 'hard'), bound: 'maximum', value: 1 };
  expect(inWords(found)).toBe('needle, syringe or tube is not new for this patient: a hard breach');
  const days = { ...finding('sessions of the course', 'soft'), bound: 'maximum', value: 9, limit: 8 };
  expect(inWords(days)).toBe('sessions of the course 9 sessions is above the soft limit of 8 sessions');
});

test('only a rule that had lacked something and is past no limit is filled in', () => {
  const open = finding('drug mass', 'not checkable', 'older shots are missing');
  const soft = finding('drug mass', 'soft');
  const of = (before: typeof open | null, after: typeof open | null) => isFilledIn({ at_ms: 0, before, after });
  expect([of(open, null), of(open, { ...open, reason: 'no dose' })]).toEqual([true, true]);
  expect([of(open, soft), of(soft, null), of(null, open), of(soft, open)]).toEqual([false, false, false, false]);
});
