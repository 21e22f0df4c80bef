// Questions to the server, typed by its own description.
import createClient from 'openapi-fetch';
import type { paths } from './schema';
import type { ErrorView } from './types';

export const api = createClient<paths>({ baseUrl: '/' });

/** An answer that is an error, with a sentence for people. */
export class ApiFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'ApiFailure';
    this.code = code;
  }
}

/** Gives the data of an answer or throws what the server says. */
export function unwrap<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.response.ok && answer.data !== undefined) return answer.data;
  throw failure(answer.error, answer.response.status);
}

/** Makes a failure of whatever came back. */
export function failure(error: unknown, status: number): ApiFailure {
  if (isErrorView(error)) return new ApiFailure(error.code, error.message);
  return new ApiFailure('unreadable', `the server answered ${status} without saying why`);
}

function isErrorView(value: unknown): value is ErrorView {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    'message' in value &&
    typeof value.code === 'string' &&
    typeof value.message === 'string'
  );
}

/** What to show of anything that was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof ApiFailure) return error.message;
  return 'the server cannot be reached; is it still running?';
}
