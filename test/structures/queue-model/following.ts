import type { ModelJob, Outcome } from './jobs.js';
import type { JobRow } from './tables.js';
import { grace, overdueAfter, timeouts, type Rows, type World } from './world.js';

/** Takes over what has happened by itself, where it may. */
export function reconcile(world: World, rows: Rows): void {
  const byId = new Map(rows.map((row) => [row.id, row]));
  world.model.fire(world.clock());
  for (const row of rows) {
    if (world.model.jobs.has(row.id)) continue;
    const job = world.model.unborn.find(({ token }) => token === row.name);
    if (job !== undefined) world.model.born(job, row.id);
  }
  let changed = true;
  while (changed) {
    changed = false;
    for (const job of [...world.model.jobs.values()]) changed ||= advance(world, job, byId.get(job.id));
  }
}

function advance(world: World, job: ModelJob, row: JobRow | undefined): boolean {
  const { claim } = job;
  if (claim !== undefined) {
    const goesOn = row?.state === 'running' && row.claim === claim.number && row.deaths === job.deaths;
    if (goesOn) return false;
    const outcome = outcomeOf(world, job, row);
    if (outcome === undefined) return false;
    settle(world, job, outcome);
    return true;
  }
  if (row === undefined || job.state !== 'waiting' || row.claim <= job.claims) return false;
  start(world, job, row);
  return true;
}

/** What a run has come to that is over, if there is something that it may have. */
function outcomeOf(world: World, job: ModelJob, row: JobRow | undefined): Outcome | undefined {
  const { claim } = job;
  if (row !== undefined && row.deaths > job.deaths)
    return claim?.dead === true ? { kind: 'died' } : undefined;
  const run = world.runOf(job);
  // On the server what has expired is found out after it was claimed.
  const hasExpired = run === undefined && (job.plan.expires ?? Infinity) < world.clock().wall;
  if (!world.embedded && hasExpired && row?.state === 'cancelled') return { kind: 'expired' };
  // Whoever had prefetched it has not started it.
  if (run === undefined && job.cancelling && row?.state === 'cancelled') return { kind: 'released' };
  const settling = claim?.settling ?? run?.settling;
  const failures = settling?.kind === 'failed' ? job.failures + 1 : job.failures;
  if (
    settling !== undefined &&
    (row === undefined || row.failures >= failures) &&
    !isLate(job, row, settling)
  )
    return settling;
  if (row === undefined || row.failures === job.failures) return undefined;
  return mayBeLate(world, job) ? { kind: 'failed', error: 'ERR_TIMEOUT', retry: true } : undefined;
}

/** Whether its time was over before it ended otherwise. */
function isLate(job: ModelJob, row: JobRow | undefined, settling: Outcome): boolean {
  return settling.kind !== 'failed' && row !== undefined && row.failures > job.failures;
}

function mayBeLate(world: World, job: ModelJob): boolean {
  const { claim, plan } = job;
  if (claim === undefined || plan.timeout === 'none') return false;
  const run = world.runOf(job);
  // One that was not started has all of its time.
  if (run === undefined) return false;
  if (plan.timeout !== 'long' && performance.now() - run.began >= timeouts.deaf + grace - 5) return true;
  return world.clock().steady - claim.at.steady > timeouts[plan.timeout] + overdueAfter;
}

function settle(world: World, job: ModelJob, outcome: Outcome): void {
  const run = world.runOf(job);
  if (outcome.kind === 'completed' && run?.completing !== undefined)
    world.effects.set(job.id, (world.effects.get(job.id) ?? 0) + 1);
  world.model.settle(job, outcome);
}

/** It was claimed: it must have been allowed to. */
function start(world: World, job: ModelJob, row: JobRow): void {
  const now = world.clock();
  const { notBefore, plan } = job;
  const wrong: string[] = [];
  if ((notBefore.steady ?? 0) > now.steady + 1 || (notBefore.wall ?? 0) > now.wall + 1)
    wrong.push(`job ${job.id} has started before its time`);
  if (world.paused.has(job.queue) && !world.lenient)
    wrong.push(`job ${job.id} has started while its queue is paused`);
  world.refuse(wrong);
  const isLast = row.claim === job.claims + 1;
  world.model.claim(job, isLast ? row.owner : null);
  const { claim } = job;
  if (claim === undefined) return;
  claim.dead = claim.owner === null || world.deadOwners.has(claim.owner);
  const { expires = Infinity } = plan;
  if (isLast && row.state === 'cancelled' && expires < now.wall) claim.settling = { kind: 'expired' };
  else if (isLast && row.state === 'delayed' && isDeferred(world, job)) claim.settling = { kind: 'released' };
  else {
    if (expires < now.wall && world.embedded)
      world.refuse([`job ${job.id} has started though it had expired`]);
    world.starts.push({ row, at: world.embedded ? now.steady : (row.started ?? 0) });
  }
}

/** Whether it was claimed when the rate of its group did not let it start. */
function isDeferred(world: World, job: ModelJob): boolean {
  return world.limits[job.queue]!.limits.groups?.rate !== undefined && world.runOf(job) === undefined;
}
