// The room as the driver tells it, and who is at the screen.
import { ApiFailure } from '../../lib/api';
import { api, sentence } from './api';
import { warn } from './sound';
import { t } from './text';
import type { Door, Gauge, Live, LiveGun, Person, Questionnaire, RoomLibrary } from './types';

/** A touch is told to the driver at most this often, in ms. */
const TOUCH_EVERY_MS = 20_000;
/** After this long without a word the driver is said to be silent, in ms. */
const SILENT_MS = 12_000;
/** How often the page looks whether the screen is locked, in ms. */
const LOOK_EVERY_MS = 5_000;

const RANK: Record<string, number> = { soft: 1, hard: 2 };

class Room {
  door = $state.raw<Door | null>(null);
  live = $state.raw<Live | null>(null);
  library = $state.raw<RoomLibrary | null>(null);
  questionnaire = $state.raw<Questionnaire | null>(null);
  /** Whether the driver is heard. */
  heard = $state(true);
  problem = $state<string | null>(null);
  /** The newest thing that a screen reader should say. */
  announced = $state('');

  #source: EventSource | null = null;
  #touchedAt = 0;
  #heardAt = Date.now();
  #pending: Live | null = null;
  #shots = new Map<string, string>();
  /** The gauges that warn before a limit, by gun or session. */
  #near = new Set<string>();
  /** The guns that go on although they were told to stop. */
  #alarms = new Set<string>();

  get me(): Person | null {
    return this.door?.signed_in ?? null;
  }

  start(): () => void {
    void this.look();
    const timer = setInterval(() => {
      this.heard = Date.now() - this.#heardAt < SILENT_MS;
      void this.look();
    }, LOOK_EVERY_MS);
    return () => {
      clearInterval(timer);
      this.#source?.close();
    };
  }

  /** Looks who is signed in, and begins to listen once somebody is. */
  async look(): Promise<void> {
    try {
      this.door = await api.door();
      this.#hear();
      if (this.door.signed_in && !this.#source) this.#listen();
    } catch (error) {
      this.heard = false;
      this.problem = sentence(error);
    }
  }

  #hear(): void {
    this.#heardAt = Date.now();
    this.heard = true;
    this.problem = null;
  }

  #listen(): void {
    const source = new EventSource('/api/v1/events');
    this.#source = source;
    source.addEventListener('live', (event) => {
      this.#hear();
      const first = this.#pending === null;
      this.#pending = JSON.parse(event.data) as Live;
      if (first) {
        requestAnimationFrame(() => {
          if (this.#pending) this.#show(this.#pending);
          this.#pending = null;
        });
      }
    });
    source.onerror = () => {
      // The browser tries again by itself, unless it was refused: a restarted driver knows nobody.
      if (source.readyState === EventSource.CLOSED) {
        this.#source = null;
        this.live = null;
      }
    };
  }

  #show(live: Live): void {
    const version = this.live?.room.library_version;
    this.live = live;
    for (const gun of live.guns) {
      this.#announce(gun);
      this.#warn(gun.gun.serial, gun.gauges);
      this.#alarm(gun);
    }
    for (const session of live.sessions) this.#warn(session.session, session.sums);
    if (!this.library || version !== live.room.library_version) void this.#readLibrary();
  }

  /** Says and sounds what a new shot did to a limit. */
  #announce(gun: LiveGun): void {
    const shot = gun.last_shot;
    if (!shot) return;
    const now = `${shot.counter} ${shot.verdict}`;
    const before = this.#shots.get(gun.gun.serial);
    if (before === now) return;
    this.#shots.set(gun.gun.serial, now);
    const rank = RANK[shot.verdict] ?? 0;
    const rankBefore = RANK[before?.split(' ')[1] ?? ''] ?? 0;
    if (before !== undefined && rank > rankBefore) {
      warn(rank);
      this.announced = gun.gauges.find((it) => it.standing === shot.verdict)?.finding ?? '';
    }
  }

  /** Says and sounds, once, that a value has come close to its limit and is not past it yet. */
  #warn(whose: string, gauges: Gauge[]): void {
    for (const gauge of gauges) {
      const key = `${whose} ${gauge.quantity} ${gauge.zone ?? ''}`;
      if (gauge.standing !== 'near') {
        this.#near.delete(key);
      } else if (!this.#near.has(key)) {
        this.#near.add(key);
        warn(0);
        this.announced = t.nearSaid(t.quantity[gauge.quantity] ?? gauge.quantity);
      }
    }
  }

  /** Says and sounds, once, that a gun does not obey. */
  #alarm(gun: LiveGun): void {
    const { serial, interlock } = gun.gun;
    if (interlock?.state !== 'failed') {
      this.#alarms.delete(serial);
    } else if (!this.#alarms.has(serial)) {
      this.#alarms.add(serial);
      warn(2);
    }
  }

  async #readLibrary(): Promise<void> {
    try {
      this.questionnaire = await api.questionnaire();
      this.library = await api.library();
    } catch (error) {
      this.problem = sentence(error);
    }
  }

  /** A hand touched the screen. */
  touched(): void {
    const now = Date.now();
    if (!this.me || now - this.#touchedAt < TOUCH_EVERY_MS) return;
    this.#touchedAt = now;
    api.touch().catch(() => undefined);
  }

  async signOut(): Promise<void> {
    await api.signOut();
    this.#source?.close();
    this.#source = null;
    this.live = null;
    await this.look();
  }
}

export const room = new Room();

/** Whether a refusal only wants the PIN again. */
export function wantsPin(error: unknown): boolean {
  return error instanceof ApiFailure && ['pin_needed', 'screen_locked'].includes(error.code);
}
