// A list that is read page by page, newest first, and kept current by what the stream brings.
import { sentence } from './api';
import { merge } from './queue';

export interface Page<T> {
  items: T[];
  next?: string | null;
}

export class Paged<T> {
  items = $state.raw<T[]>([]);
  next = $state<string | null>(null);
  reading = $state(false);
  problem = $state<string | null>(null);
  /** Whether the first page has been read. */
  started = $state(false);

  readonly #ask: (after: string | null) => Promise<Page<T>>;
  readonly #id: (item: T) => string;

  constructor(ask: (after: string | null) => Promise<Page<T>>, id: (item: T) => string) {
    this.#ask = ask;
    this.#id = id;
  }

  /** Reads the first page again: after a gap in the stream, what is new comes in front. */
  async renew(): Promise<void> {
    await this.#read(null);
  }

  /** Reads the next page. */
  async more(): Promise<void> {
    await this.#read(this.next);
  }

  async #read(after: string | null): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    this.problem = null;
    try {
      const page = await this.#ask(after);
      const fresh = new Map(page.items.map((item) => [this.#id(item), item]));
      if (after === null && this.started) {
        this.items = merge(this.items, fresh, this.#id);
      } else {
        const known = new Set(this.items.map(this.#id));
        this.items = [...this.items, ...page.items.filter((item) => !known.has(this.#id(item)))];
        this.next = page.next ?? null;
      }
      this.started = true;
    } catch (error) {
      this.problem = sentence(error);
    } finally {
      this.reading = false;
    }
  }
}
