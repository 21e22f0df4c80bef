// Acknowledging an alert: asks once who does it, then tells the server.
import { api, sentence, unwrap } from './api';
import { fleet } from './fleet.svelte';
import type { AlertView } from './types';

const KEY = 'mesofleet-person';

/** What the server accepts as a staff number or alias. */
export const PERSON_PATTERN = '[a-z0-9\\-]{1,32}';

class Acknowledge {
  /** The alert for which somebody has to be named. */
  asking = $state.raw<AlertView | null>(null);
  busy = $state<string | null>(null);
  problem = $state<string | null>(null);
  person = $state(sessionStorage.getItem(KEY) ?? '');

  start(alert: AlertView): void {
    this.problem = null;
    this.asking = alert;
  }

  cancel(): void {
    this.asking = null;
  }

  async confirm(): Promise<void> {
    const alert = this.asking;
    if (!alert) return;
    this.busy = alert.id;
    try {
      const answer = await api.POST('/api/v1/alerts/{id}/acknowledge', {
        params: { path: { id: alert.id } },
        body: { by: this.person },
      });
      fleet.put(unwrap(answer));
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
