import { expect, test } from 'vitest';
import { parseRoute, reportHref, sessionHref } from '../src/lib/router';

const ID = '00ab12cd34ef567890ab12cd34ef5678';

test('every page has an address', () => {
  expect(parseRoute('')).toEqual({ page: 'board' });
  expect(parseRoute('#/')).toEqual({ page: 'board' });
  expect(parseRoute('#/sessions')).toEqual({ page: 'sessions' });
  expect(parseRoute('#/alerts')).toEqual({ page: 'alerts' });
  expect(parseRoute('#/trends')).toEqual({ page: 'trends' });
  expect(parseRoute('#/report')).toEqual({ page: 'report', session: null, gun: null });
});

test('a session is found by the address that is made for it', () => {
  expect(parseRoute(sessionHref(ID))).toEqual({ page: 'session', id: ID });
  expect(parseRoute(reportHref(ID))).toEqual({ page: 'report', session: ID, gun: null });
});

test('an unknown address is never taken for the board', () => {
  for (const hash of ['#/nothing', '#/sessions/xyz', `#/sessions/${ID}/more`, '#/alerts/1']) {
    expect(parseRoute(hash).page).toBe('unknown');
  }
});
