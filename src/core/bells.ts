import { closeSync, futimesSync, openSync, rmSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { driverCode, translated } from './errors.js';
import { createDirectory, createPrivateFile } from './files.js';
import { attended, Listeners, type Listening } from './listeners.js';

/** Behind the bells stands a slow poll, for file systems without events and for a ringer that dies between commit and ring. */
const pollInterval = 100;
/** The poll where files can't be watched. */
const blindPollInterval = 20;
/** How many bells of others are kept open. */
const mostOpen = 64;

/**
 * Wakes other processes: each that waits has a file, whose time is set by whoever has something for it, after the commit.
 *
 * The write-ahead log itself is no bell: its event comes before the commit can be read, and wake-ups are lost.
 */
export class Bells {
  readonly #directory: string;
  /** Those who wait. */
  readonly listeners: Listeners = new Listeners();
  readonly #overhearers = new Set<(rung: boolean) => void>();
  readonly #open = new Map<string, number>();
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #own: string | undefined;
  #ringing: NodeJS.Immediate | undefined;

  constructor(storeDirectory: string) {
    this.#directory = join(storeDirectory, 'bells');
  }

  /** Calls `listener` whenever the bell `token` rings, until it is stopped. Without a token there is only the poll. */
  listen(token: string | undefined, line: object, listener: (rung: boolean) => void): Listening {
    this.#start(token);
    const listening = this.listeners.add(line, listener);
    this.#attend();
    return attended(listening, () => this.#attend());
  }

  /** Calls `listener` at each ring and each poll, without keeping the process alive. */
  overhear(token: string | undefined, listener: (rung: boolean) => void): () => void {
    this.#start(token);
    this.#overhearers.add(listener);
    this.#attend();
    return () => {
      this.#overhearers.delete(listener);
      this.#attend();
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

  /** Rings this store's own bell, without the file: in the next turn of the event loop, or tasks that serve each other would leave it none. */
  ringOwn(): void {
    this.#ringing ??= setImmediate(() => {
      this.#ringing = undefined;
      this.#tell(true);
    });
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
    clearImmediate(this.#ringing);
    this.listeners.clear();
    this.#overhearers.clear();
    this.#attend();
    this.#watcher?.close();
    this.#watcher = undefined;
    for (const token of [...this.#open.keys()]) this.silence(token);
    if (this.#own !== undefined) rmSync(this.#path(this.#own), { force: true });
  }

  #tell(rung: boolean): void {
    this.listeners.tell(rung);
    for (const listener of [...this.#overhearers]) listener(rung);
  }

  #start(token: string | undefined): void {
    if (this.#poll !== undefined) return;
    // Where nothing can be written there is no bell: the poll alone has to do. As where files can't be watched.
    this.#watcher ??= token === undefined ? undefined : this.#watch(token);
    this.#schedule(this.#watcher !== undefined || token === undefined ? pollInterval : blindPollInterval);
  }

  /** The watcher stays for the next wait. It keeps the process alive only while somebody waits. */
  #attend(): void {
    if (this.listeners.size > 0) {
      this.#watcher?.ref();
      this.#poll?.ref();
      return;
    }
    this.#watcher?.unref();
    this.#poll?.unref();
    if (this.#overhearers.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  /** `undefined` when no watcher is left to this user (ENOSPC, EMFILE), or the file system has none. */
  #watch(token: string): FSWatcher | undefined {
    createDirectory(this.#directory);
    createPrivateFile(this.#path(token));
    this.#own = token;
    try {
      const watcher = watch(this.#path(token), () => this.#tell(true));
      watcher.on('error', () => this.#goBlind());
      return watcher;
    } catch {
      return undefined;
    }
  }

  #goBlind(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    if (this.#poll === undefined) return;
    this.#schedule(blindPollInterval);
    this.#attend();
  }

  #schedule(interval: number): void {
    clearInterval(this.#poll);
    // Jitter, or all processes that were started together would poll together.
    const jittered = interval * (0.8 + 0.4 * Math.random());
    this.#poll = setInterval(() => {
      this.#tell(false);
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
