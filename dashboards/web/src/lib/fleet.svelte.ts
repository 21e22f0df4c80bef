// The live picture of the fleet: read once, then kept current by one event stream per tab.
import { isWaiting, placeOf } from './alerts';
import { api, sentence, unwrap } from './api';
import { type Batch, collect, emptyBatch, merge } from './queue';
import { Ring, WINDOW_MS } from './ring';
import type { AlertView, GunView, LiveEvent, OverviewView, SessionView, ShotView } from './types';

export type Link = 'connecting' | 'live' | 'lost';

/** How many shots of each gun are read to fill its chart at the start. */
const FIRST_SHOT_COUNT = 300;
/** How many guns are asked for their shots at the start; the rest fill as they fire. */
const FIRST_GUN_COUNT_MAX = 64;
/** How many alerts the board holds. */
const ALERT_COUNT_MAX = 100;
/** How many changed sessions are remembered; a page that needs another reads it. */
const SESSION_COUNT_MAX = 500;
/** The least time between two readings of everything, however often the stream asks, in ms. */
const LOAD_PAUSE_MS = 2_000;
/** How often charts that slide with time are drawn, in ms. */
const DRAW_EVERY_MS = 200;
/** How often the numbers at a glance are asked for, should no event bring them, in ms. */
const OVERVIEW_EVERY_MS = 10_000;
/** First and last pause before a refused stream is asked for again, in ms. */
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 30_000;

const EVENT_NAMES = ['shots', 'gun', 'session', 'alert', 'overview', 'resync'] as const;

class Fleet {
  link = $state<Link>('connecting');
  problem = $state<string | null>(null);
  /** When the stream broke off: what the pages show is from then. */
  lostAt = $state(0);
  loaded = $state(false);
  /** Counts how often everything was read: lists that the fleet does not hold read themselves again. */
  readings = $state(0);
  overview = $state.raw<OverviewView | null>(null);
  guns = $state.raw<GunView[]>([]);
  alerts = $state.raw<AlertView[]>([]);
  /** Sessions that changed since the page was opened, newest state each. */
  sessions = $state.raw<Map<string, SessionView>>(new Map());
  /** The server's time, renewed with each drawing, in ms. */
  now = $state(Date.now());
  /** An alert that is new, for people who hear the page. */
  announced = $state('');

  readonly rings = new Map<string, Ring>();
  #shotListeners = new Set<(shots: ShotView[]) => void>();
  #source: EventSource | null = null;
  #batch: Batch = emptyBatch();
  #frame = 0;
  #retryMs = RETRY_FIRST_MS;
  #offsetMs = 0;
  #loading = false;
  #again = false;

  /** Opens the stream and starts the clock; gives what stops both. */
  start(): () => void {
    this.#connect();
    const draw = setInterval(() => (this.now = Date.now() + this.#offsetMs), DRAW_EVERY_MS);
    const glance = setInterval(() => void this.#readOverview(), OVERVIEW_EVERY_MS);
    const seen = () => {
      if (!document.hidden) void this.#readOverview();
    };
    document.addEventListener('visibilitychange', seen);
    return () => {
      clearInterval(draw);
      clearInterval(glance);
      document.removeEventListener('visibilitychange', seen);
      cancelAnimationFrame(this.#frame);
      this.#source?.close();
    };
  }

  /** Calls back with every shot that arrives; gives what stops that. */
  onShots(listener: (shots: ShotView[]) => void): () => void {
    this.#shotListeners.add(listener);
    return () => this.#shotListeners.delete(listener);
  }

  ring(serial: string): Ring {
    let ring = this.rings.get(serial);
    if (!ring) {
      ring = new Ring();
      this.rings.set(serial, ring);
    }
    return ring;
  }

  /** Shows a changed alert at once, before the stream brings it. */
  put(alert: AlertView): void {
    this.alerts = merge(this.alerts, new Map([[alert.id, alert]]), (a) => a.id);
  }

  #connect(): void {
    const source = new EventSource('/api/v1/events');
    this.#source = source;
    source.onopen = () => {
      this.#retryMs = RETRY_FIRST_MS;
      this.link = 'live';
      this.problem = null;
      void this.#load();
    };
    source.onerror = () => {
      if (this.link === 'live') this.lostAt = Date.now();
      this.link = 'lost';
      if (!this.loaded) this.problem = sentence(null);
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      this.problem = 'the server refused another event stream; the page tries again';
      setTimeout(() => this.#connect(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LAST_MS);
    };
    for (const name of EVENT_NAMES) {
      source.addEventListener(name, (message) => {
        collect(this.#batch, JSON.parse(message.data as string) as LiveEvent);
        if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#apply());
      });
    }
  }

  /** Reads everything; further wishes meanwhile are granted by one more reading after a pause. */
  async #load(): Promise<void> {
    if (this.#loading) {
      this.#again = true;
      return;
    }
    this.#loading = true;
    try {
      const [overview, guns, alerts] = await Promise.all([
        api.GET('/api/v1/overview').then(unwrap),
        api.GET('/api/v1/guns').then(unwrap),
        api
          .GET('/api/v1/alerts', { params: { query: { limit: ALERT_COUNT_MAX } } })
          .then(unwrap),
      ]);
      this.#takeOverview(overview);
      this.guns = guns;
      this.alerts = alerts.items;
      this.loaded = true;
      this.readings += 1;
      this.problem = null;
      await Promise.all(guns.slice(0, FIRST_GUN_COUNT_MAX).map((gun) => this.#fill(gun.serial)));
    } catch (error) {
      this.problem = sentence(error);
    } finally {
      setTimeout(() => {
        this.#loading = false;
        if (!this.#again) return;
        this.#again = false;
        void this.#load();
      }, LOAD_PAUSE_MS);
    }
  }

  async #fill(serial: string): Promise<void> {
    const shots = await api
      .GET('/api/v1/guns/{serial}/shots', {
        params: { path: { serial }, query: { limit: FIRST_SHOT_COUNT } },
      })
      .then(unwrap);
    const ring = this.ring(serial);
    for (const shot of shots.reverse()) ring.add(shot);
  }

  async #readOverview(): Promise<void> {
    if (document.hidden) return;
    try {
      this.#takeOverview(unwrap(await api.GET('/api/v1/overview')));
    } catch (error) {
      this.problem = sentence(error);
    }
  }

  #takeOverview(overview: OverviewView): void {
    this.#offsetMs = overview.now_ms - Date.now();
    this.overview = overview;
  }

  #apply(): void {
    this.#frame = 0;
    const batch = this.#batch;
    this.#batch = emptyBatch();
    if (batch.resync) void this.#load();
    if (batch.overview) this.#takeOverview(batch.overview);
    // Shots that a driver kept while it was offline, or a past that is read in, are no live picture.
    const since = Date.now() + this.#offsetMs - WINDOW_MS;
    for (const shot of batch.shots) if (shot.at_ms > since) this.ring(shot.gun).add(shot);
    if (batch.shots.length > 0) for (const listen of this.#shotListeners) listen(batch.shots);
    if (batch.guns.size > 0) {
      const guns = merge(this.guns, batch.guns, (gun) => gun.serial);
      // A gun that was not known yet came first; the board is ordered by serial number.
      this.guns = guns.length > this.guns.length ? guns.sort(bySerial) : guns;
    }
    if (batch.sessions.size > 0) {
      const all = [...this.sessions, ...batch.sessions];
      this.sessions = new Map(all.slice(-SESSION_COUNT_MAX));
    }
    this.#takeAlerts(batch.alerts);
  }

  #takeAlerts(changed: Map<string, AlertView>): void {
    if (changed.size === 0) return;
    const known = new Set(this.alerts.map((alert) => alert.id));
    for (const alert of changed.values()) {
      if (!known.has(alert.id) && isWaiting(alert)) {
        this.announced = `${placeOf(alert)}: ${alert.text}`;
      }
    }
    this.alerts = merge(this.alerts, changed, (alert) => alert.id).slice(0, ALERT_COUNT_MAX);
  }
}

function bySerial(a: GunView, b: GunView): number {
  return a.serial < b.serial ? -1 : 1;
}

export const fleet = new Fleet();
