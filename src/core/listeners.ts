/** Hears a bell: `rung` is false when only the poll's time has come. */
export type Listener = (rung: boolean) => void;

/** One that listens. */
export interface Listening {
  /** Whether it is the first in its line, of those that listen here. */
  readonly first: boolean;
  /** Tells its place in its line, and is from then on called only when it is the first of those. */
  place(place: number): void;
  stop(): void;
}

/** What is known of one that listens. Without a place it is called each time. */
interface Entry {
  readonly line: object;
  readonly listener: Listener;
  place: number | undefined;
}

/**
 * Those who listen for one store's bell, by the lines they stand in. Of a line in which many of one process stand, the first alone is
 * woken: the others could only find that it is not their turn. When it goes, the next is called.
 */
export class Listeners {
  readonly #lines = new Map<object, Entry[]>();
  /** How many listen. */
  size = 0;

  /** Whether one line listens and no other: then it is the one that a ring means. */
  get alone(): boolean {
    return this.#lines.size === 1;
  }

  add(line: object, listener: Listener): Listening {
    const entry: Entry = { line, listener, place: undefined };
    this.#insert(entry);
    const isFirst = (): boolean => this.#first(line) === entry;
    return {
      get first() {
        return isFirst();
      },
      place: (place) => {
        if (place === entry.place || !this.#remove(entry)) return;
        entry.place = place;
        this.#insert(entry);
      },
      stop: () => {
        const first = isFirst();
        if (this.#remove(entry) && first) this.#first(line)?.listener(true);
      },
    };
  }

  tell(rung: boolean): void {
    for (const [line, entries] of [...this.#lines]) {
      const first = this.#first(line);
      for (const entry of [...entries]) {
        if (entry.place === undefined || entry === first) entry.listener(rung);
      }
    }
  }

  clear(): void {
    this.#lines.clear();
    this.size = 0;
  }

  #first(line: object): Entry | undefined {
    return this.#lines.get(line)?.find((entry) => entry.place !== undefined);
  }

  /** In the order of places; those without one come before. */
  #insert(entry: Entry): void {
    const entries = this.#lines.get(entry.line) ?? [];
    this.#lines.set(entry.line, entries);
    const after = entries.findLastIndex((other) => (other.place ?? -1) < (entry.place ?? -1));
    entries.splice(after + 1, 0, entry);
    this.size++;
  }

  #remove(entry: Entry): boolean {
    const entries = this.#lines.get(entry.line);
    const index = entries?.indexOf(entry) ?? -1;
    if (entries === undefined || index === -1) return false;
    entries.splice(index, 1);
    if (entries.length === 0) this.#lines.delete(entry.line);
    this.size--;
    return true;
  }
}

/** The same, with something to be done when it stops. */
export function attended(listening: Listening, stopped: () => void): Listening {
  return {
    get first() {
      return listening.first;
    },
    place: (place) => listening.place(place),
    stop: () => {
      listening.stop();
      stopped();
    },
  };
}
