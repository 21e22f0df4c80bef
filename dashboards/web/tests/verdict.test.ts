import { expect, test } from 'vitest';
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
