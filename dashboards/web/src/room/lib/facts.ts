// What is said of patient, papers, other treatments and the course so far.
import { dateOf, dayOf } from './days';
import { whole } from './number';
import type { Course, Details, MaterialFacts } from './types';

export interface Named {
  key: number;
  name: string;
  date: string;
}

export interface Cream {
  key: number;
  product: string;
  drug: string;
  dose: string;
}

export interface Facts {
  ageYears: string;
  weightKg: string;
  consent: string;
  guardian: string;
  assessment: string;
  /** Whether somebody said that there is no anaesthetic beside the syringes. */
  noAnaesthetic: boolean;
  anaesthetics: Cream[];
  combined: Named[];
  afterCare: '' | 'done' | 'skipped';
  afterCareReason: string;
  nextKey: number;
}

export function noFacts(): Facts {
  return {
    ageYears: '',
    weightKg: '',
    consent: '',
    guardian: '',
    assessment: '',
    noAnaesthetic: false,
    anaesthetics: [],
    combined: [],
    afterCare: '',
    afterCareReason: '',
    nextKey: 0,
  };
}

/** The facts as they were said last; age and weight are said anew. */
export function factsOf(details: Details | null | undefined): Facts {
  const facts = noFacts();
  if (!details) return facts;
  facts.consent = details.consent ?? '';
  facts.guardian = details.guardian_consent ?? '';
  facts.assessment = details.assessment ?? '';
  facts.noAnaesthetic = details.anaesthetics?.length === 0;
  facts.anaesthetics = (details.anaesthetics ?? []).map((it) => ({ key: facts.nextKey++, ...it }));
  facts.combined = (details.combined ?? []).map((it) => ({
    key: facts.nextKey++,
    name: it.name,
    date: dateOf(it.day),
  }));
  const care = details.after_care;
  if (care && 'skipped' in care) {
    facts.afterCare = 'skipped';
    facts.afterCareReason = care.skipped.reason;
  } else if (care) {
    facts.afterCare = 'done';
  }
  return facts;
}

export function factsLacking(facts: Facts): string[] {
  const out: string[] = [];
  if (facts.ageYears.trim() && whole(facts.ageYears, 0) === null) out.push('age in whole years');
  if (facts.weightKg.trim() && whole(facts.weightKg, 3) === null) out.push('weight in kg');
  if (facts.anaesthetics.some((it) => !it.product.trim() || !it.drug.trim() || !it.dose.trim())) {
    out.push('product, drug and dose of the anaesthetic');
  }
  if (facts.combined.some((it) => !it.name.trim() || dayOf(it.date) === null)) {
    out.push('name and day of the other treatment');
  }
  if (facts.afterCare === 'skipped' && !facts.afterCareReason.trim()) {
    out.push('why no sheet was given');
  }
  return out;
}

export function patientBody(facts: Facts): { age_years?: number; weight_g?: number } {
  const age = whole(facts.ageYears, 0);
  const weight = whole(facts.weightKg, 3);
  return {
    ...(age === null ? {} : { age_years: age }),
    ...(weight === null ? {} : { weight_g: weight }),
  };
}

/** Papers and other treatments; null where nothing was said. */
export function detailsBody(facts: Facts): Details | null {
  const text = (name: string, value: string) => (value.trim() ? { [name]: value.trim() } : {});
  const body: Details = {
    ...text('consent', facts.consent),
    ...text('guardian_consent', facts.guardian),
    ...text('assessment', facts.assessment),
    ...(facts.noAnaesthetic || facts.anaesthetics.length > 0
      ? {
          anaesthetics: facts.anaesthetics.map(({ product, drug, dose }) => ({
            product: product.trim(),
            drug: drug.trim().toLowerCase(),
            dose: dose.trim(),
          })),
        }
      : {}),
    combined: facts.combined.map(({ name, date }) => ({ name: name.trim(), day: dayOf(date) ?? 0 })),
    ...(facts.afterCare === 'done' ? { after_care: { done: {} } } : {}),
    ...(facts.afterCare === 'skipped'
      ? { after_care: { skipped: { reason: facts.afterCareReason.trim() } } }
      : {}),
  };
  const isEmpty = Object.keys(body).length === 1 && body.combined?.length === 0;
  return isEmpty ? null : body;
}

export interface CourseFacts {
  sessionsBefore: string;
  volumeMl: string;
  zones: Named[];
  drugs: Named[];
  nextKey: number;
}

export function courseOf(course: Course | null | undefined): CourseFacts {
  let key = 0;
  const named = (list: { name: string; day: number }[] | undefined): Named[] =>
    (list ?? []).map((it) => ({ key: key++, name: it.name, date: dateOf(it.day) }));
  return {
    sessionsBefore: course ? String(course.sessions_before) : '',
    volumeMl: course ? String(course.volume_before_nl / 1_000_000) : '',
    zones: named(course?.last_in_zone),
    drugs: named(course?.last_of_drug),
    nextKey: key,
  };
}

/** The course begins anew; when the patient was treated last stays, for the days in between. */
export function newCourse(course: CourseFacts, known: Course | null | undefined): CourseFacts {
  const isListed = course.zones.length + course.drugs.length > 0;
  return { ...(isListed ? course : courseOf(known)), sessionsBefore: '0', volumeMl: '0' };
}

/** Whether anything of the course was said. */
export const courseSaid = (course: CourseFacts): boolean =>
  `${course.sessionsBefore}${course.volumeMl}`.trim() !== '' || course.zones.length + course.drugs.length > 0;

export function courseLacking(course: CourseFacts): string[] {
  const out: string[] = [];
  if (whole(course.sessionsBefore, 0) === null) out.push('sessions before this one');
  if (course.volumeMl.trim() && whole(course.volumeMl, 6) === null) out.push('volume in ml');
  if ([...course.zones, ...course.drugs].some((it) => !it.name.trim() || dayOf(it.date) === null)) {
    out.push('name and day of a last time');
  }
  return out;
}

export function courseBody(course: CourseFacts): Course {
  const days = (list: Named[]) =>
    list.map(({ name, date }) => ({ name: name.trim().toLowerCase(), day: dayOf(date) ?? 0 }));
  return {
    source: 'typed',
    sessions_before: whole(course.sessionsBefore, 0) ?? 0,
    volume_before_nl: whole(course.volumeMl, 6) ?? 0,
    last_in_zone: days(course.zones),
    last_of_drug: days(course.drugs),
  };
}

/** What else may be known of a segment's material; empty text is not known. */
export interface MaterialExtra {
  productClass: string;
  consumablesNew: string;
  shotsBefore: string;
  angle: string;
  residualMl: string;
  certificate: string;
  enrolled: string;
  calibrated: string;
  firmware: string;
}

const word = (truth: boolean | null | undefined) => (truth == null ? '' : truth ? 'yes' : 'no');

export function extraOf(known: MaterialFacts | null | undefined): MaterialExtra {
  return {
    productClass: known?.product_class ?? '',
    consumablesNew: word(known?.consumables_are_new),
    shotsBefore: known?.needle_shots_before == null ? '' : String(known.needle_shots_before),
    angle: known?.needle_angle_degrees == null ? '' : String(known.needle_angle_degrees),
    residualMl: known?.residual_nl == null ? '' : String(known.residual_nl / 1_000_000),
    certificate: dateOf(known?.certificate_until_day),
    enrolled: word(known?.gun_is_enrolled),
    calibrated: dateOf(known?.calibrated_until_day),
    firmware: word(known?.firmware_is_allowed),
  };
}

export function extraLacking(extra: MaterialExtra): string[] {
  const out: string[] = [];
  const wrong = (text: string, digits: number) => text.trim() !== '' && whole(text, digits) === null;
  if (wrong(extra.shotsBefore, 0)) out.push('shots of the needle as a whole number');
  if (wrong(extra.angle, 0)) out.push('angle in whole degrees');
  if (wrong(extra.residualMl, 6)) out.push('what is left, in ml');
  return out;
}

/** The material of a segment with what is known already, its lots among them. */
export function materialFacts(
  segment: string,
  extra: MaterialExtra,
  known: MaterialFacts | null | undefined,
): MaterialFacts {
  const truth = (name: string, value: string) => (value === '' ? {} : { [name]: value === 'yes' });
  const number = (name: string, value: number | null) => (value === null ? {} : { [name]: value });
  return {
    segment,
    ...(known?.lots ? { lots: known.lots } : {}),
    ...(extra.productClass.trim() ? { product_class: extra.productClass.trim() } : {}),
    ...truth('consumables_are_new', extra.consumablesNew),
    ...truth('gun_is_enrolled', extra.enrolled),
    ...truth('firmware_is_allowed', extra.firmware),
    ...number('needle_shots_before', whole(extra.shotsBefore, 0)),
    ...number('needle_angle_degrees', whole(extra.angle, 0)),
    ...number('residual_nl', whole(extra.residualMl, 6)),
    ...number('certificate_until_day', dayOf(extra.certificate)),
    ...number('calibrated_until_day', dayOf(extra.calibrated)),
  };
}
