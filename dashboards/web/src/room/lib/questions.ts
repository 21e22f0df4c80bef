// The questionnaire while a person answers it. Nothing here says what to do: a yes, or a not known,
// asks for the prescriber's decision and records it.
import { whole } from './number';
import type { Question, Questionnaire, ScreeningAnswers } from './types';

export const ANSWERS = ['no', 'yes', 'unknown'] as const;

export type Answer = (typeof ANSWERS)[number];

export interface Given {
  answer: Answer | null;
  note: string;
  hours: string;
}

export interface Screening {
  given: Record<string, Given>;
  /** The full questionnaire that a returning patient confirms, by its digest. */
  confirms: string | null;
  /** Who gave the last answer. */
  askedBy: string | null;
  outcome: string | null;
  reason: string;
}

export function noScreening(): Screening {
  return { given: {}, confirms: null, askedBy: null, outcome: null, reason: '' };
}

/** What is to be asked of this patient. */
export function asked(all: Questionnaire, screening: Screening): Question[] {
  return screening.confirms === null ? all.full : all.returning;
}

export function given(screening: Screening, question: Question): Given {
  return screening.given[question.id] ?? { answer: null, note: '', hours: '' };
}

/** Whether any question has an answer. */
export function isBegun(screening: Screening): boolean {
  return Object.values(screening.given).some((it) => it.answer !== null);
}

/** The questions whose answer the prescriber must decide on. */
export function concerns(questions: Question[], screening: Screening): Question[] {
  return questions.filter((it) => {
    const { answer } = given(screening, it);
    return answer === 'yes' || answer === 'unknown';
  });
}

/** Whether the last dose of a medicine is asked for, and is no whole number of hours yet. */
export function lacksHours(question: Question, screening: Screening): boolean {
  const { answer, hours } = given(screening, question);
  return question.kind === 'washout' && answer === 'yes' && whole(hours, 0) === null;
}

/** What is missing before the answers can be recorded. */
export function lacking(questions: Question[], screening: Screening): string[] {
  const open = questions.filter((it) => given(screening, it).answer === null).length;
  const out: string[] = [];
  if (open > 0) out.push(open === 1 ? 'one answer' : `${open} answers`);
  if (questions.some((it) => lacksHours(it, screening))) out.push('hours since the last dose');
  if (concerns(questions, screening).length > 0) {
    if (screening.outcome === null) out.push('the decision of the prescriber');
    if (!screening.reason.trim()) out.push('the reason of the decision');
  }
  return out;
}

/** The answers as the driver takes them; `me` is the one who records them. */
export function answersBody(questions: Question[], screening: Screening, me: string): ScreeningAnswers {
  const decides = concerns(questions, screening).length > 0;
  return {
    // Who records answers that need no decision answers for them.
    asked_by: decides ? (screening.askedBy ?? me) : me,
    ...(screening.confirms === null ? {} : { confirms: screening.confirms }),
    answers: questions.map((question) => {
      const { answer, note, hours } = given(screening, question);
      const dose = question.kind === 'washout' && answer === 'yes' ? whole(hours, 0) : null;
      return {
        question: question.id,
        answer: answer ?? 'unknown',
        note: note.trim(),
        ...(dose === null ? {} : { last_dose_hours: dose }),
      };
    }),
    ...(decides
      ? { decision: { outcome: screening.outcome ?? '', by: me, reason: screening.reason.trim() } }
      : {}),
  };
}
