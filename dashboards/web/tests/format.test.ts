import { describe, expect, test } from 'vitest';
import {
  count,
  duration,
  hertz,
  millilitres,
  millimetres,
  percent,
  ruleValue,
  shortId,
  shotMillilitres,
  tickLabels,
  unitOfRule,
  words,
} from '../src/lib/format';

describe('units', () => {
  test('whole micrometres become millimetres', () => {
    expect(millimetres(2_614)).toBe('2.61');
    expect(millimetres(0)).toBe('0.00');
  });

  test('whole nanolitres become millilitres', () => {
    expect(shotMillilitres(20_400)).toBe('0.0204');
    expect(millilitres(3_602_540_000)).toBe('3,602.54');
  });

  test('thousandths of a hertz become hertz', () => {
    expect(hertz(8_960)).toBe('9.0');
    expect(hertz(52)).toBe('0.05');
    expect(hertz(4)).toBe('< 0.01');
    expect(hertz(0)).toBe('0.00');
  });

  test('the marks of an axis are never rounded', () => {
    expect(tickLabels([0.0125, 0.015, 0.0175])).toEqual(['0.0125', '0.0150', '0.0175']);
    expect(tickLabels([0, 1_000, 2_000])).toEqual(['0', '1,000', '2,000']);
    expect(tickLabels([0.1, 0.2, 0.30000000000000004])).toEqual(['0.1', '0.2', '0.3']);
    expect(tickLabels([])).toEqual([]);
  });

  test('what is missing is never zero', () => {
    for (const say of [millimetres, shotMillilitres, millilitres, hertz, count]) {
      expect(say(null)).toBe('–');
      expect(say(undefined)).toBe('–');
    }
  });

  test('a value of a rule is said in the unit of people', () => {
    expect(ruleValue(8_200, 'µm')).toBe('8.2 mm');
    expect(ruleValue(10_004, 'µm')).toBe('10.004 mm');
    expect(ruleValue(21_400, 'nl')).toBe('0.0214 ml');
    expect(ruleValue(6_000_000, 'nl')).toBe('6.0 ml');
    expect(ruleValue(96_154, 'µs')).toBe('10.4 Hz');
    expect(ruleValue(0, 'µs')).toBe('–');
    expect(ruleValue(3, 'shots')).toBe('3 shots');
  });

  test('every rule has a unit', () => {
    expect(unitOfRule('needle depth')).toBe('µm');
    expect(unitOfRule('session volume')).toBe('nl');
    expect(unitOfRule('shot rate')).toBe('µs');
    expect(unitOfRule('failed injections in a row')).toBe('shots');
  });
});

describe('percent', () => {
  test('a share is never rounded up to all', () => {
    expect(percent(2_999, 3_000)).toBe('99.9 %');
    expect(percent(9_999, 10_000)).toBe('99.9 %');
    expect(percent(3, 3)).toBe('100 %');
  });

  test('without a denominator there is no share', () => {
    expect(percent(0, 0)).toBe('–');
  });
});

test('a length of time is said in two steps at most', () => {
  expect(duration(-5)).toBe('0 s');
  expect(duration(59_999)).toBe('59 s');
  expect(duration(185_000)).toBe('3 min 05 s');
  expect(duration(7_800_000)).toBe('2 h 10 min');
  expect(duration(400_000_000)).toBe('4 d');
});

test('slugs and long identifiers are made readable', () => {
  expect(words('pain-trigger-points')).toBe('Pain trigger points');
  expect(shortId('00ab12cd34ef56789')).toBe('00ab12cd…');
  expect(shortId('a1')).toBe('a1');
});
