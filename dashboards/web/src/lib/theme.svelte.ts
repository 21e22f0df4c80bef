// Dark or light: what the person chose, else what the system prefers.

export type Theme = 'dark' | 'light';

const KEY = 'mesofleet-theme';

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'dark' || value === 'light' ? value : null;
  } catch {
    return null; // storage may be forbidden; the theme then lasts as long as the page
  }
}

class ThemeChoice {
  current = $state<Theme>('dark');

  constructor() {
    const system = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
    this.#show(stored() ?? system);
    // Charts are pictures: on paper they need light colours before the print begins.
    let before: Theme | null = null;
    addEventListener('beforeprint', () => {
      before = this.current;
      this.#show('light');
    });
    addEventListener('afterprint', () => {
      if (before) this.#show(before);
    });
  }

  toggle(): void {
    const next = this.current === 'dark' ? 'light' : 'dark';
    this.#show(next);
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // See above.
    }
  }

  #show(theme: Theme): void {
    document.documentElement.dataset['theme'] = theme;
    this.current = theme;
  }
}

export const theme = new ThemeChoice();

/** A colour of the theme in force, for canvases. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
