import { fork, type ChildProcess } from 'node:child_process';
import { once, EventEmitter } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An argument for a child process, which reads it as a string in `process.argv`. */
export type Argument = string | number;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a process sends when it waits for its siblings, and is sent when all of them do. */
const started = 'test process started';

/** A new folder, removed with all that is in it when the test has finished. */
export function temporaryDirectory(): string {
  // On macOS the folder for temporary files lies behind a symbolic link.
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'holdfast-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/**
 * Runs a script of `test/processes/` in a process of its own, which is killed when the test has finished.
 *
 * @param script - A file's name in `test/processes/`, or a URL.
 */
export function startProcess(script: string | URL, ...args: readonly Argument[]): TestProcess {
  return new TestProcess(script, args);
}

/**
 * Runs a script in several processes at once, and gives the last message of each, in the order of their numbers.
 * Fails, and kills the others, if one of them fails.
 *
 * A script learns its number from `processNumber` of `test/processes/child.js`, and may wait there, with
 * `allStarted()`, until every process has come so far.
 */
export async function inProcesses<Result>(
  count: number,
  script: string | URL,
  ...args: readonly Argument[]
): Promise<Result[]> {
  const processes = Array.from({ length: count }, (_, number) => new TestProcess(script, args, number));
  let waiting = 0;
  for (const { child } of processes) {
    child.on('message', (message) => {
      if (message !== started || ++waiting < count) return;
      for (const process of processes) void process.send(started);
    });
  }
  return Promise.all(processes.map((process) => process.result<Result>()));
}

/** A child process of a test. What it sends with `process.send` is carried as `structuredClone` would. */
export class TestProcess {
  readonly child: ChildProcess;
  /** How the process ended, once it has, and all it sent has arrived. */
  readonly exited: Promise<Exit>;
  readonly #name: string;
  readonly #messages: unknown[] = [];
  readonly #news = new EventEmitter<{ news: [] }>();
  #last: unknown;
  #exit: Exit | undefined;
  #stderr = '';

  /** @internal */
  constructor(script: string | URL, args: readonly Argument[], number = 0) {
    const file = new URL(script, new URL('../processes/', import.meta.url));
    this.#name = `${file.pathname.split('/').at(-1) ?? ''} (process ${number})`;
    this.child = fork(file, args.map(String), {
      env: { ...process.env, TEST_PROCESS_NUMBER: String(number) },
      // What vitest's own processes were started with is not for them.
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.child.on('message', (message) => {
      if (message === started) return;
      this.#last = message;
      this.#messages.push(message);
      this.#news.emit('news');
    });
    this.exited = this.#untilClosed();
    onTestFinished(() => this.kill9());
  }

  /**
   * The next message the process has sent and nobody has read.
   *
   * Fails when the process ends without sending another, or `timeout` milliseconds pass.
   */
  async nextMessage<Message>(timeout = 30_000): Promise<Message> {
    const deadline = AbortSignal.timeout(timeout);
    deadline.addEventListener('abort', () => this.#news.emit('news'));
    while (this.#messages.length === 0 && !this.#exit && !deadline.aborted) await once(this.#news, 'news');
    if (this.#messages.length === 0) {
      throw new Error(
        this.#exit
          ? `${this.#name} ended without another message: ${this.#describeExit()}`
          : `${this.#name} sent nothing within ${timeout} ms.\n${this.#stderr}`,
      );
    }
    return this.#messages.shift() as Message;
  }

  /** Every message from here on, until the process ends. */
  async *messages<Message>(): AsyncGenerator<Message, void, undefined> {
    for (;;) {
      while (this.#messages.length > 0) yield this.#messages.shift() as Message;
      if (this.#exit) return;
      await once(this.#news, 'news');
    }
  }

  /** The last message of the process, once it has ended well. Fails if it ends otherwise. */
  async result<Result>(): Promise<Result> {
    const { code } = await this.exited;
    if (code !== 0) throw new Error(`${this.#name} failed: ${this.#describeExit()}`);
    return this.#last as Result;
  }

  /** Sends the process a message; `receive()` of `test/processes/child.js` gives it there. */
  send(message: string | number | boolean | object): Promise<void> {
    // To a process that has ended nothing can be sent, which `exited` and `result()` tell better.
    return new Promise((resolve) => this.child.send(message, () => resolve()));
  }

  /** Stops the process where it is, as the terminal's Ctrl-Z would (not on Windows). */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  /** Lets a paused process go on. */
  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** Kills the process, with no chance to clean up, and waits until it is gone. */
  async kill9(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async #untilClosed(): Promise<Exit> {
    // Not `exit`: messages and output may still arrive after that.
    const [code, signal] = (await once(this.child, 'close')) as [number | null, NodeJS.Signals | null];
    this.#exit = { code, signal };
    this.#news.emit('news');
    return this.#exit;
  }

  #describeExit(): string {
    return `${this.#exit?.signal ?? `code ${this.#exit?.code ?? '?'}`}\n${this.#stderr}`;
  }
}
