// What is prepared before a session begins. It outlives a change of persons at the screen, so that
// one may ask and another decide, and is gone when the session has begun.
import { noAnswers } from './checklist';
import { courseOf, noFacts } from './facts';
import { noScreening } from './questions';
import { emptyMaterial } from './syringe';
import type { Patient } from './types';

class Draft {
  gun = $state<string | null>(null);
  protocol = $state<string | null>(null);
  zone = $state<string | null>(null);
  technique = $state<string | null>(null);
  /** The phase of the course, counted from 1. */
  phase = $state<number | null>(null);
  code = $state('');
  /** What the room knows of the patient of the code. */
  patient = $state.raw<Patient | null>(null);
  demo = $state(false);
  material = $state(emptyMaterial());
  answers = $state(noAnswers());
  screening = $state(noScreening());
  facts = $state(noFacts());
  course = $state(courseOf(null));
  /** The session that is open already where only its segment was refused. */
  opened: string | null = null;

  clear(): void {
    Object.assign(this, {
      gun: null,
      protocol: null,
      zone: null,
      technique: null,
      phase: null,
      code: '',
      patient: null,
      demo: false,
      material: emptyMaterial(),
      answers: noAnswers(),
      screening: noScreening(),
      facts: noFacts(),
      course: courseOf(null),
      opened: null,
    });
  }
}

export const draft = new Draft();
