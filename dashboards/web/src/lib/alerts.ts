// Where an alert stands, and what it is about, as the pages see it.
import { t } from './i18n';
import type { AlertView } from './types';

/** Whether somebody has to look at it. */
export function isWaiting(alert: AlertView): boolean {
  return alert.state === 'open' || alert.state === 'latched';
}

/** Whether nothing more happens to it. */
export function isOver(alert: AlertView): boolean {
  return alert.state === 'resolved' || alert.state === 'merged';
}

/** The gun, else the room, else the server. */
export function placeOf(alert: AlertView): string {
  return alert.gun || alert.driver || t.alert.server;
}
