import { closeSync, futimesSync, openSync, rmSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { driverCode, translated } from './errors.js';
import { createDirectory, createPrivateFile } from './files.js';

/** Behind the bells stands a slow poll, for file systems without events and for a ringer that dies between commit and ring. */
const pollInterval = 100;
/** The poll where files can't be watched. */
const blindPollInterval = 20;
/** How many bells of others are kept open. */
const mostOpen = 64;

/** Hears a bell: `rung` is false when only the poll's time has come. */
export type Listener = (rung: boolean) => void;

/**
 * Wakes other processes: each that waits has a file, whose time is set by whoever has something for it, after the commit.
 *
 * The write-ahead log itself is no bell: its event comes before the commit can be read, and wake-ups are lost.
 */
export class Bells {
  readonly #directory: string;
  readonly #listeners = new Set<Listener>();
  readonly #open = new Map<string, number>();
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #own: string | undefined;

  constructor(storeDirectory: string) {
    this.#directory = join(storeDirectory, 'bells');
  }

  /** How many listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Calls `listener` whenever the bell `token` rings, until the function that is returned is called. Without a token there is only the poll. */
  listen(token: string | undefined, listener: Listener): () => void {
    this.#listeners.add(listener);
    try {
      if (this.#listeners.size === 1) this.#start(token);
    } catch (error) {
      this.#listeners.delete(listener);
      throw error;
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  /** Rings a bell of another store; `false` when there is none. */
  ring(token: string): boolean {
    try {
      const now = Date.now() / 1000;
      futimesSync(this.#descriptor(token), now, now);
      return true;
    } catch (error) {
      this.silence(token);
      if (driverCode(error) === 'ENOENT') return false;
      throw translated(error, this.#path(token));
    }
  }

  /** Rings this store's own bell, without the file. */
  ringOwn(): void {
    for (const listener of [...this.#listeners]) listener(true);
  }

  /** Lets go of another's bell. */
  silence(token: string): void {
    const descriptor = this.#open.get(token);
    if (descriptor !== undefined) closeSync(descriptor);
    this.#open.delete(token);
  }

  /** Removes the bell of a dead owner. */
  forget(token: string): void {
    this.silence(token);
    rmSync(this.#path(token), { force: true });
  }

  close(): void {
    this.#listeners.clear();
    this.#stop();
    this.#watcher?.close();
    this.#watcher = undefined;
    for (const token of [...this.#open.keys()]) this.silence(token);
    if (this.#own !== undefined) rmSync(this.#path(this.#own), { force: true });
  }

  #start(token: string | undefined): void {
    // Where nothing can be written there is no bell: the poll alone has to do. As where files can't be watched.
    this.#watcher ??= token === undefined ? undefined : this.#watch(token);
    this.#watcher?.ref();
    this.#schedule(this.#watcher !== undefined || token === undefined ? pollInterval : blindPollInterval);
  }

  /** Stays for the next wait, but doesn't keep the process alive. */
  #stop(): void {
    this.#watcher?.unref();
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  /** `undefined` when no watcher is left to this user (ENOSPC, EMFILE), or the file system has none. */
  #watch(token: string): FSWatcher | undefined {
    createDirectory(this.#directory);
    createPrivateFile(this.#path(token));
    this.#own = token;
    try {
      const watcher = watch(this.#path(token), () => this.ringOwn());
      watcher.on('error', () => this.#goBlind());
      return watcher;
    } catch {
      return undefined;
    }
  }

  #goBlind(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    if (this.#poll !== undefined) this.#schedule(blindPollInterval);
  }

  #schedule(interval: number): void {
    clearInterval(this.#poll);
    // Jitter, or all processes that were started together would poll together.
    const jittered = interval * (0.8 + 0.4 * Math.random());
    this.#poll = setInterval(() => {
      for (const listener of [...this.#listeners]) listener(false);
    }, jittered);
  }

  #descriptor(token: string): number {
    let descriptor = this.#open.get(token);
    if (descriptor === undefined) {
      for (const oldest of this.#open.keys()) {
        if (this.#open.size < mostOpen) break;
        this.silence(oldest);
      }
      descriptor = openSync(this.#path(token), 'r+');
      this.#open.set(token, descriptor);
    }
    return descriptor;
  }

  #path(token: string): string {
    return join(this.#directory, token);
  }
}
