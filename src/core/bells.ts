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

  /** Calls `listener` whenever the bell `token` rings, until the function that is returned is called. Without a token there is only the poll. */
  listen(token: string | undefined, listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start(token);
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
    for (const token of [...this.#open.keys()]) this.silence(token);
    if (this.#own !== undefined) rmSync(this.#path(this.#own), { force: true });
  }

  #start(token: string | undefined): void {
    if (token === undefined) {
      this.#schedule(pollInterval);
      return;
    }
    createDirectory(this.#directory);
    createPrivateFile(this.#path(token));
    this.#own = token;
    try {
      this.#watcher = watch(this.#path(token), () => {
        this.ringOwn();
      });
      this.#watcher.on('error', () => {
        this.#goBlind();
      });
      this.#schedule(pollInterval);
    } catch {
      // No watcher left to this user (ENOSPC, EMFILE), or none on this file system: the poll alone has to do.
      this.#schedule(blindPollInterval);
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
    this.#poll = setInterval(
      () => {
        for (const listener of [...this.#listeners]) listener(false);
      },
      interval * (0.8 + 0.4 * Math.random()),
    );
  }

  #stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearInterval(this.#poll);
    this.#poll = undefined;
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
