import type { Now } from './jobs.js';
import type { Member } from './members.js';
import type { JobRow } from './tables.js';
import { dataOf, startOfTime, type Rows, type World } from './world.js';

/** What is still to happen by itself. */
export function* unfinished(world: World, rows: Rows): Iterable<string> {
  const now = world.clock();
  for (const run of world.runs) if (run.claim === undefined) yield `job ${run.job.id} is being started`;
  for (const job of world.model.jobs.values())
    if (job.claim?.settling !== undefined || world.runOf(job)?.settling !== undefined)
      yield `what has become of job ${job.id} is not written`;
  for (const job of world.model.jobs.values())
    if (job.cancelling && job.claim?.dead === false && world.runOf(job) === undefined)
      yield `job ${job.id}, which was not started, is not cancelled`;
  for (const { job, run } of world.live()) {
    if (run.job.attempt !== job.failures + 1)
      yield `job ${job.id} is told to be at attempt ${run.job.attempt}`;
    if (run.job.data !== dataOf(job)) yield `job ${job.id} runs with old data`;
    if (job.plan.timeout === 'throws' && run.aborted === undefined)
      yield `the time of job ${job.id} is not over`;
    if (job.cancelling && run.aborted === undefined) yield `job ${job.id} is not told that it is cancelled`;
    if (run.aborted !== undefined && !job.cancelling && job.plan.timeout !== 'deaf')
      yield `the signal of job ${job.id} was aborted: ${run.aborted}`;
    const children = run.children?.map(({ id, label, state, result }) => [id, label, state, result]);
    const expected = job.links.map(({ child, label, end, result }) => [child.id, label, end, result]);
    if (JSON.stringify(children) !== JSON.stringify(expected))
      yield `job ${job.id} is told of its children: ${JSON.stringify(children)}, not ${JSON.stringify(expected)}`;
  }
  for (const run of world.lost())
    if (run.aborted === undefined) yield `job ${run.job.id} is not told that this run has lost it`;
  for (const name of world.names) {
    yield* left(world, rows, name, now);
    const free = world.members.some((member) => room(world, member, name, rows) > 0);
    if (free) yield* startable(world, rows, name, now);
  }
}

/** How many jobs a member could take. */
function room(world: World, member: Member, name: string, rows: Rows): number {
  if (member.zombie) return 0;
  const { concurrency, prefetch } = member.rooms[name]!;
  const claimed = rows.filter((row) => member.has(row) && row.queue === name);
  const started = [...world.runs].filter((run) => run.member === member && run.queue === name);
  const isStarted = (row: JobRow) => started.some((run) => run.job.id === row.id && run.claim === row.claim);
  const unstarted = claimed.filter((row) => !isStarted(row)).length;
  return concurrency + prefetch - member.workers[name]!.running - unstarted;
}

/** What others have left is given back, also by those who are busy. */
function* left(world: World, rows: Rows, name: string, now: Now): Iterable<string> {
  const own = rows.filter(({ queue }) => queue === name);
  const ahead = world.embedded ? startOfTime : 0;
  for (const row of own) {
    if (row.state !== 'running') continue;
    if (row.owner !== null && world.deadOwners.has(row.owner))
      yield `job ${row.id} of the dead is not rescued`;
    if (row.deadline !== null && world.embedded && row.deadline - ahead < now.steady)
      yield `job ${row.id} is overdue`;
  }
}

/** What a member that has room has to do. */
function* startable(world: World, rows: Rows, name: string, now: Now): Iterable<string> {
  const own = rows.filter(({ queue }) => queue === name);
  const ahead = world.embedded ? startOfTime : 0;
  const { concurrency = Infinity } = world.limits[name]!.limits;
  if (world.paused.has(name)) return;
  if (own.filter(({ state }) => state === 'running').length >= concurrency) return;
  if (world.embedded && isUsedUp(world, name)) return;
  const soon = world.embedded ? 0 : 1_000;
  for (const { id, state, due } of own) {
    const isDue =
      state === 'delayed' ? due - ahead <= now.steady + soon : state === 'timed' && due <= now.wall + soon;
    if (isDue) yield `job ${id} is ${state}, though its time has come`;
    if (state === 'ready') yield `job ${id} could be started`;
  }
}

/** Whether the rate of a queue lets none start now. On the server that is never for long. */
function isUsedUp(world: World, name: string): boolean {
  const { rate } = world.limits[name]!.limits;
  const usage = world.usages.find(({ queue }) => queue === name);
  if (rate === undefined || usage === undefined) return false;
  const { limit, per, burst = limit } = rate;
  const paidOff = ((world.machine.now - usage.monotonic) * limit) / Number(per);
  return burst - Math.max(0, usage.used - paidOff) < 1 - 1e-6;
}
