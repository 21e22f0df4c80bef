import { describe, expect, it } from 'vitest';
import { fieldName, mayBeEmpty, rawField, shownValue } from '../src/room/lib/correction';
import { dateOf, dayOf } from '../src/room/lib/days';
import { courseBody, courseOf, detailsBody, factsOf, newCourse, noFacts } from '../src/room/lib/facts';
import { localMoment, momentNs } from '../src/room/lib/moment';
import { phaseText } from '../src/room/lib/phase';
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
    expect(shownValue('volume_nl', '3700000')).toBe('3.7 ml');
  });

  it('never takes a field that was left empty for the word that nothing is known', () => {
    for (const field of ['consent', 'residual_nl', 'points']) expect(rawField(field, '')).toBeNull();
    expect([mayBeEmpty('consent'), mayBeEmpty('points')]).toEqual([true, false]);
    expect(shownValue('consent', '')).toBe('not said');
    expect(shownValue('consumables_are_new', 'false')).toBe('No');
    expect([fieldName('lot_2'), fieldName('needle_lot')]).toEqual(['Lot of component 2', 'Lot of the needle']);
  });

  it('begins a course anew with the last days that are known', () => {
    const known = {
      source: 'summaries',
      sessions_before: 9,
      volume_before_nl: 7_000_000,
      last_in_zone: [{ name: 'cheek', day: 20_000 }],
      last_of_drug: [],
    };
    const typed = { source: 'typed', sessions_before: 0, volume_before_nl: 0 };
    expect(courseBody(newCourse(courseOf(null), known))).toEqual({ ...known, ...typed });
    const chin = { ...known, last_in_zone: [{ name: 'chin', day: 20_001 }] };
    expect(courseBody(newCourse(courseOf(chin), known))).toEqual({ ...chin, ...typed });
    expect(courseBody(newCourse(courseOf(null), null)).last_in_zone).toEqual([]);
  });

  it('says of a phase how many sessions it has and how far apart', () => {
    const phase = { goal: 'x', session_count_min: 4, session_count_max: 6, interval_min_days: 7 };
    expect(phaseText(phase)).toBe('4 to 6 sessions; 7 or more days apart');
    expect(phaseText({ goal: 'x', interval_max_days: 14 })).toBe('as many sessions as wished; up to 14 days apart');
    expect(phaseText({ goal: 'x', session_count_min: 2, session_count_max: 2, cocktail: ['a', 'b'] })).toBe('2 sessions; with a, b');
  });

  it('takes a moment of this computer’s time', () => {
    const now = Date.UTC(2026, 0, 31, 10, 5);
    expect(momentNs(localMoment(now))).toBe((BigInt(now) * 1_000_000n).toString());
    expect(momentNs('')).toBeNull();
  });
});
