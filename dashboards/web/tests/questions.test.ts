import { describe, expect, it } from 'vitest';
import { rawField, shownField } from '../src/room/lib/correction';
import { courseBody, courseOf, dateOf, dayOf, detailsBody, factsOf, noFacts } from '../src/room/lib/facts';
import { localMoment, momentNs } from '../src/room/lib/moment';
import { answersBody, asked, lacking, noScreening } from '../src/room/lib/questions';
import { emptyMaterial, materialOf, scannedFacts } from '../src/room/lib/syringe';
import type { Questionnaire, Segment } from '../src/room/lib/types';

const all: Questionnaire = {
  full: [
    { id: 'allergy', text: 'An allergy?', kind: 'do not' },
    { id: 'anticoagulants', text: 'Medicines against clotting?', kind: 'washout' },
  ],
  returning: [{ id: 'allergy', text: 'An allergy?', kind: 'do not' }],
};

const said = (answer: 'no' | 'yes' | 'unknown', hours = '') => ({ answer, note: '', hours });

describe('the questionnaire', () => {
  it('wants an answer to every question, and nothing else where every answer is no', () => {
    const screening = noScreening();
    expect(lacking(all.full, screening)).toEqual(['2 answers']);
    screening.given = { allergy: said('no'), anticoagulants: said('no') };
    expect(lacking(all.full, screening)).toEqual([]);
    const body = answersBody(all.full, screening, 'op-1');
    expect(body.decision).toBeUndefined();
    expect(body.answers.map((it) => it.answer)).toEqual(['no', 'no']);
  });

  it('asks for a decision with its reason where an answer is yes or not known', () => {
    for (const answer of ['yes', 'unknown'] as const) {
      const screening = noScreening();
      screening.given = { allergy: said(answer), anticoagulants: said('no') };
      expect(lacking(all.full, screening)).toEqual([
        'the decision of the prescriber',
        'the reason of the decision',
      ]);
    }
  });

  it('records who decides, whoever asked', () => {
    const screening = { ...noScreening(), askedBy: 'op-1', outcome: 'treat', reason: 'long ago' };
    screening.given = { allergy: said('yes'), anticoagulants: said('no') };
    const body = answersBody(all.full, screening, 'op-2');
    expect([body.asked_by, body.decision?.by]).toEqual(['op-1', 'op-2']);
    screening.given = { allergy: said('no'), anticoagulants: said('no') };
    expect(answersBody(all.full, screening, 'op-2').asked_by).toBe('op-2');
  });

  it('asks for the last dose of a medicine in whole hours', () => {
    const screening = { ...noScreening(), outcome: 'treat', reason: 'x' };
    screening.given = { allergy: said('no'), anticoagulants: said('yes') };
    expect(lacking(all.full, screening)).toEqual(['hours since the last dose']);
    screening.given = { allergy: said('no'), anticoagulants: said('yes', '120') };
    expect(lacking(all.full, screening)).toEqual([]);
    expect(answersBody(all.full, screening, 'op-1').answers[1]?.last_dose_hours).toBe(120);
  });

  it('asks a returning patient what the driver says and confirms the rest', () => {
    const screening = { ...noScreening(), confirms: 'ab' };
    expect(asked(all, screening)).toEqual(all.returning);
    screening.given = { allergy: said('no') };
    expect(answersBody(all.returning, screening, 'op-1').confirms).toBe('ab');
  });
});

describe('what is said of a session', () => {
  it('counts days from 1970 and back', () => {
    expect(dayOf('2026-01-31')).toBe(20_484);
    expect(dateOf(20_484)).toBe('2026-01-31');
    for (const bad of ['', '2026', '2026-13-01']) expect(dayOf(bad)).toBeNull();
  });

  it('says nothing of papers where nothing was said, and keeps what was said before', () => {
    expect(detailsBody(noFacts())).toBeNull();
    const details = { consent: 'C-1', anaesthetics: [], combined: [{ name: 'peel', day: 20_000 }], after_care: { done: {} } };
    expect(detailsBody(factsOf(details))).toEqual(details);
  });

  it('keeps a course that was said before', () => {
    const course = {
      source: 'typed',
      sessions_before: 2,
      volume_before_nl: 7_000_000,
      last_in_zone: [{ name: 'cheek', day: 20_000 }],
      last_of_drug: [],
    };
    expect(courseBody(courseOf(course))).toEqual(course);
  });

  it('begins the next segment with the same material, but for what is new', () => {
    const segment = {
      syringe: { components: [{ name: 'ha', concentration: '1 %', lot: 'L-1' }], ready_made: true, prepared_by: 'op-1', loaded_nl: 5_000_000, dead_volume_nl: 100_000 },
      needle: { length_um: 4_000, gauge: 30, needle_count: 1, lot: 'N-1' },
    } as Segment;
    const same = materialOf(segment, false, false);
    expect([same.rows[0]?.lot, same.needleLot, same.loadedMl, same.lengthMm]).toEqual(['L-1', 'N-1', '5', '4']);
    expect(materialOf(segment, true, false).rows[0]?.lot).toBe('');
    expect(materialOf(segment, false, true).needleLot).toBe('');
  });

  it('says of a lot only what was scanned', () => {
    const material = emptyMaterial();
    expect(scannedFacts(material, 's')).toBeNull();
    Object.assign(material.rows[0] ?? {}, { lot: 'L-1', expiry: '2026-01-31' });
    expect(scannedFacts(material, 's')).toEqual({ segment: 's', lots: [{ lot: 'L-1', usable_until_day: 20_484 }] });
  });

  it('corrects volumes in millilitres and counts in whole numbers', () => {
    expect(rawField('volume_nl', '0,5')).toBe('500000');
    expect(rawField('points', '0.5')).toBeNull();
    expect(rawField('needle_lot', ' ')).toBeNull();
    expect(shownField({ field: 'volume_nl', value: '3700000' })).toBe('3.7');
  });

  it('takes a moment of this computer’s time', () => {
    const now = Date.UTC(2026, 0, 31, 10, 5);
    expect(momentNs(localMoment(now))).toBe((BigInt(now) * 1_000_000n).toString());
    expect(momentNs('')).toBeNull();
  });
});
