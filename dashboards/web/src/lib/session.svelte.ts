// The shots of one session: read page by page, then appended as they are stored.
import { api, sentence, unwrap } from './api';
import { fleet } from './fleet.svelte';
import type { SessionView, ShotView } from './types';

/** The most shots that are drawn: half an hour at nine a second. More are said to be missing. */
export const SHOT_COUNT_MAX = 20_000;
const PAGE_SIZE = 5_000;
/** How often live shots are put on the charts, in ms. */
const APPEND_EVERY_MS = 500;

export class SessionShots {
  view = $state.raw<SessionView | null>(null);
  shots = $state.raw<ShotView[]>([]);
  reading = $state(true);
  cut = $state(false);
  problem = $state<string | null>(null);

  readonly #id: string;
  #known = new Set<string>();
  #waiting: ShotView[] = [];

  constructor(id: string) {
    this.#id = id;
  }

  /** Reads and follows; gives what stops that. */
  start(): () => void {
    const stop = fleet.onShots((shots) => {
      for (const shot of shots) if (shot.session === this.#id) this.#waiting.push(shot);
    });
    const timer = setInterval(() => {
      if (!this.reading && this.#waiting.length > 0) this.#append(this.#waiting.splice(0));
    }, APPEND_EVERY_MS);
    void this.#read();
    return () => {
      clearInterval(timer);
      stop();
    };
  }

  async #read(): Promise<void> {
    try {
      const path = { id: this.#id };
      this.view = unwrap(await api.GET('/api/v1/sessions/{id}', { params: { path } }));
      let after: string | null = null;
      do {
        const query: { limit: number; after?: string } =
          after === null ? { limit: PAGE_SIZE } : { limit: PAGE_SIZE, after };
        const answer = await api.GET('/api/v1/sessions/{id}/shots', { params: { path, query } });
        const page: { items: ShotView[]; next?: string | null } = unwrap(answer);
        this.#append(page.items);
        after = page.next ?? null;
      } while (after !== null && !this.cut);
    } catch (error) {
      this.problem = sentence(error);
    } finally {
      this.reading = false;
    }
  }

  #append(shots: ShotView[]): void {
    const fresh = shots.filter((shot) => {
      const key = `${shot.gun}/${shot.epoch}/${shot.counter}`;
      if (this.#known.has(key)) return false;
      this.#known.add(key);
      return true;
    });
    if (fresh.length === 0) return;
    const all = [...this.shots, ...fresh].sort((a, b) => a.at_ms - b.at_ms);
    this.cut = all.length > SHOT_COUNT_MAX;
    this.shots = all.slice(0, SHOT_COUNT_MAX);
  }
}
