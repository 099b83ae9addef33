import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { derivedSeed, randomFrom } from '../../support/random.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../../support/processes.js';
import { parseLog, type Entry, type NemesisKind } from './records.js';

/** What a history is made of. */
export interface Run {
  /** Where the store is, for `openStore` of the processes. */
  readonly location: string;
  /** One of `subjects` of `test/processes/history/subjects.js`. */
  readonly subject: string;
  /** What all that is random comes from. */
  readonly seed: number;
  readonly processes: number;
  /** How many in each process. */
  readonly tasks: number;
  readonly seconds: number;
  /** How many processes are killed in a second, on average. @defaultValue `2` */
  readonly kills?: number;
  /** How many are stopped. @defaultValue `6` */
  readonly stops?: number;
  /** How likely it is that a process dies while it holds something, each time. @defaultValue `0.005` */
  readonly deaths?: number;
  /** How long all may take, once it is calm, to be served. Milliseconds. @defaultValue `30_000` */
  readonly patience?: number;
}

/** Lets processes use what is tested, kills and stops some, and gives back what all of them have written down. */
export async function recordHistory(run: Run): Promise<Entry[]> {
  const recording = new Recording(run);
  await recording.play();
  return recording.entries();
}

interface Living {
  readonly number: number;
  readonly child: TestProcess;
}

class Recording {
  readonly #run: Run;
  readonly #epoch = process.hrtime.bigint();
  readonly #directory = temporaryDirectory();
  readonly #nemesis: Entry[] = [];
  readonly #living: Living[] = [];
  readonly #stops: Promise<void>[] = [];
  #started = 0;
  #calm = false;

  constructor(run: Run) {
    this.#run = run;
  }

  async play(): Promise<void> {
    const { processes } = this.#run;
    for (let place = 0; place < processes; place++) void this.#populate(place);
    await Promise.all(this.#living.map(({ child }) => child.nextMessage()));
    await this.#torment();
    this.#calm = true;
    await Promise.all(this.#stops);
    await Promise.all(this.#living.map((living) => this.#drain(living)));
  }

  entries(): Entry[] {
    const logs = Array.from({ length: this.#started }, (_, number) =>
      parseLog(readFileIfAny(this.#log(number)), number),
    );
    return [...this.#nemesis, ...logs.flat()];
  }

  #start(): Living {
    const { location, subject, seed, tasks, deaths = 0.005 } = this.#run;
    const number = this.#started++;
    const given = { location, directory: this.#directory, subject, seed, tasks, deaths, process: number };
    const child = startProcess('history.js', JSON.stringify({ ...given, epoch: String(this.#epoch) }));
    return { number, child };
  }

  #log(number: number): string {
    return join(this.#directory, `log-${number}`);
  }

  /** What it does, to whom and when, depends on the seed alone. */
  async #torment(): Promise<void> {
    const { seed, processes, seconds, kills = 2, stops = 6 } = this.#run;
    const random = randomFrom(derivedSeed(seed, -1));
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      const place = Math.floor(random() * processes);
      const killed = random() * (kills + stops) < kills;
      const length = 5 + 295 * random() ** 3;
      await sleep((2000 * random()) / (kills + stops));
      const victim = this.#living[place]!;
      if (killed) this.#kill(victim);
      else this.#stops.push(this.#stop(victim, length));
    }
  }

  /** Whoever dies, killed here or by itself, is replaced as long as the run goes on. */
  async #populate(place: number): Promise<void> {
    for (;;) {
      const { number, child } = (this.#living[place] = this.#start());
      const { signal } = await child.exited;
      if (signal !== 'SIGKILL') return;
      this.#note('dead', number);
      if (this.#calm) return;
    }
  }

  #kill({ number, child }: Living): void {
    this.#note('killing', number);
    child.child.kill('SIGKILL');
  }

  async #stop({ number, child }: Living, length: number): Promise<void> {
    // Windows can't.
    if (process.platform === 'win32') return;
    this.#note('stopping', number);
    child.pause();
    await sleep(length);
    child.resume();
    this.#note('continued', number);
  }

  async #drain(living: Living): Promise<void> {
    const { patience = 30_000 } = this.#run;
    const { child, number } = living;
    await child.send('stop');
    const late = sleep(patience, 'late' as const, { ref: false });
    const exit = await Promise.race([child.exited, late]);
    if (exit === 'late') {
      this.#note('leftOver', number);
      this.#kill(living);
      await child.exited;
    } else if (exit.signal !== 'SIGKILL') await child.result();
  }

  #note(kind: NemesisKind, number: number): void {
    const at = Number(process.hrtime.bigint() - this.#epoch);
    this.#nemesis.push({ kind, process: number, op: 0, at });
  }
}

/** Who was killed early has written nothing. */
function readFileIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
