// What a person does with an alert: asks who and why, then tells the server.
import { api, sentence, unwrap } from './api';
import { fleet } from './fleet.svelte';
import type { AlertView } from './types';

const KEY = 'mesofleet-person';

/** What the server accepts as a staff number or alias. */
export const PERSON_PATTERN = '[a-z0-9\\-]{1,32}';

/** What can be done with an alert. */
export type Deed = 'acknowledge' | 'silence' | 'resolve';

/** The longest silence that the server takes, in minutes. */
export const SILENCE_MINUTES_MAX = 1440;

/** The longest reason that the server takes, in characters. */
export const REASON_LENGTH_MAX = 200;

class Acknowledge {
  /** The alert for which somebody has to be named. */
  asking = $state.raw<AlertView | null>(null);
  deed = $state<Deed>('acknowledge');
  reason = $state('');
  minutes = $state(30);
  busy = $state<string | null>(null);
  problem = $state<string | null>(null);
  person = $state(sessionStorage.getItem(KEY) ?? '');

  start(alert: AlertView, deed: Deed = 'acknowledge'): void {
    this.problem = null;
    this.deed = deed;
    this.reason = '';
    this.asking = alert;
  }

  cancel(): void {
    this.asking = null;
  }

  async #tell(alert: AlertView): Promise<AlertView> {
    const params = { path: { id: alert.id } };
    const by = this.person;
    const reason = this.reason;
    switch (this.deed) {
      case 'acknowledge':
        return unwrap(
          await api.POST('/api/v1/alerts/{id}/acknowledge', { params, body: { by } }),
        );
      case 'silence':
        return unwrap(
          await api.POST('/api/v1/alerts/{id}/silence', {
            params,
            body: { by, reason, minutes: this.minutes },
          }),
        );
      case 'resolve':
        return unwrap(
          await api.POST('/api/v1/alerts/{id}/resolve', { params, body: { by, reason } }),
        );
    }
  }

  async confirm(): Promise<void> {
    const alert = this.asking;
    if (!alert) return;
    this.busy = alert.id;
    try {
      fleet.put(await this.#tell(alert));
      sessionStorage.setItem(KEY, this.person);
      this.asking = null;
    } catch (error) {
      this.problem = sentence(error);
    } finally {
      this.busy = null;
    }
  }
}

export const acknowledge = new Acknowledge();
