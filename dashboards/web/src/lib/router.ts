// The page that the address names: `#/sessions/00ab…?state=open`.

export type Route =
  | { page: 'board' }
  | { page: 'sessions' }
  | { page: 'session'; id: string }
  | { page: 'alerts' }
  | { page: 'trends' }
  | { page: 'report'; session: string | null; gun: string | null }
  | { page: 'unknown'; path: string };

/** Reads a hash; anything unknown is said to be unknown, never taken for the board. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '');
  const [first, second] = parts;
  if (first === undefined) return { page: 'board' };
  if (first === 'sessions' && second !== undefined && parts.length === 2) {
    return /^[0-9a-f]{32}$/.test(second)
      ? { page: 'session', id: second }
      : { page: 'unknown', path };
  }
  if (parts.length > 1) return { page: 'unknown', path };
  switch (first) {
    case 'sessions':
    case 'alerts':
    case 'trends':
      return { page: first };
    case 'report': {
      const wanted = new URLSearchParams(query);
      return { page: 'report', session: wanted.get('session'), gun: wanted.get('gun') };
    }
    default:
      return { page: 'unknown', path };
  }
}

/** The address of a session. */
export function sessionHref(id: string): string {
  return `#/sessions/${id}`;
}

/** The address of the report page with a session chosen. */
export function reportHref(session: string): string {
  return `#/report?session=${session}`;
}
