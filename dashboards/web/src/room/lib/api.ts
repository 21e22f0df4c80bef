// Questions to the driver on this computer.
import { ApiFailure, failure } from '../../lib/api';
import type {
  Door,
  History,
  Patient,
  Person,
  Questionnaire,
  RoomLibrary,
  Scanned,
  SignIn,
  Step,
  StepTaken,
} from './types';

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  } catch {
    throw new ApiFailure('unreachable', 'The driver on this computer does not answer.');
  }
  const text = await response.text();
  const data: unknown = text === '' ? undefined : JSON.parse(text);
  if (!response.ok) throw failure(data, response.status);
  return data as T;
}

export const api = {
  door: () => ask<Door>('GET', '/api/v1/sign-in'),
  signIn: (body: SignIn) => ask<Person>('POST', '/api/v1/sign-in', body),
  signOut: () => ask<undefined>('DELETE', '/api/v1/sign-in'),
  touch: () => ask<undefined>('POST', '/api/v1/sign-in/touch'),
  library: () => ask<RoomLibrary>('GET', '/api/v1/library'),
  step: (step: Step) => ask<StepTaken>('POST', '/api/v1/steps', step),
  scan: (text: string) => ask<Scanned>('POST', '/api/v1/scan', { text }),
  /** What the room knows of a patient, and of the course under a protocol where one is named. */
  patient: (code: string, protocol: string | null) =>
    ask<Patient>('POST', '/api/v1/patients', { code, ...(protocol === null ? {} : { protocol }) }),
  questionnaire: () => ask<Questionnaire>('GET', '/api/v1/questionnaire'),
  history: () => ask<History>('GET', '/api/v1/history'),
  stop: (gun: string) =>
    ask<unknown>('POST', `/api/v1/guns/${encodeURIComponent(gun)}/inhibit`, { reason: '' }),
  resume: (gun: string, operator: string, reason: string) =>
    ask<unknown>('POST', `/api/v1/guns/${encodeURIComponent(gun)}/resume`, { operator, reason }),
};

/** What to show of anything that was thrown. */
export function sentence(error: unknown): string {
  return error instanceof ApiFailure ? error.message : String(error);
}
