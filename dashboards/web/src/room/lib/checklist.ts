// The answers to the checklist while a person gives them.
import type { CheckItem, Checklist } from './types';

export const ITEMS = ['screening', 'consent', 'asepsis', 'emergency_kit'] as const;

export type Item = (typeof ITEMS)[number];

export interface Answer {
  state: 'open' | 'done' | 'skipped';
  reason: string;
}

export type Answers = Record<Item, Answer>;

export function noAnswers(): Answers {
  const open = (): Answer => ({ state: 'open', reason: '' });
  return { screening: open(), consent: open(), asepsis: open(), emergency_kit: open() };
}

/** Whether an item is done, or skipped with a reason. */
export function isAnswered(answer: Answer): boolean {
  return answer.state === 'done' || (answer.state === 'skipped' && answer.reason.trim() !== '');
}

export function checklist(answers: Answers): Checklist {
  const item = (answer: Answer): CheckItem =>
    answer.state === 'skipped' ? { skipped: { reason: answer.reason.trim() } } : { done: {} };
  return {
    screening: item(answers.screening),
    consent: item(answers.consent),
    asepsis: item(answers.asepsis),
    emergency_kit: item(answers.emergency_kit),
  };
}
