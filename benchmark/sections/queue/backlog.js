// What a job costs while there are many others: they wait, are delayed, or are of a group that is at its limit.
import { nextMessage, removeDirectory, startScript, temporaryDirectory } from '../../lib/temporary.js';

/** @param {{ quick: boolean, build: string, progress(what: string): void }} options */
export async function measureBacklog({ quick, build, progress }) {
  progress('queue: backlog');
  const many = quick ? 10_000 : 100_000;
  const backlogs = [
    ['waiting', 1000],
    ['waiting', many],
    ['waiting', many * (quick ? 3 : 10)],
    ['delayed', many],
    ['saturated', many],
  ];
  const directories = backlogs.map(() => temporaryDirectory());
  const rounds = quick ? 4 : 30;
  const child = startScript('queue-backlog.js', [
    build,
    JSON.stringify(backlogs),
    String(rounds),
    ...directories,
  ]);
  const { figures, fillSeconds } = await nextMessage(child);
  directories.forEach(removeDirectory);
  return { fillSeconds, rows: backlogs.map(([kind, jobs], i) => ({ kind, jobs, ...figures[i] })) };
}
