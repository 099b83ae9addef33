// @ts-check
// One of the processes that run git blame: `node worker.js <state directory> <git directory> <survey, as JSON>`.
import { blame } from './blame.js';
import { Failure } from './failure.js';
import { Findings } from './store.js';

/**
 * @import { Job } from 'holdfast'
 * @import { FileVersion } from './history.js'
 */

const [directory = '', gitDirectory = '', survey = ''] = process.argv.slice(2);

const findings = new Findings(directory, JSON.parse(survey));

// The main process tells by letting go that there is no more to do; or it has died. What is under way goes back.
process.once('disconnect', () => findings.close());
// Ctrl-C reaches every process of a terminal. Whether to end is for the main process to say.
process.on('SIGINT', () => {});
if (process.connected) findings.work(work);

/** @param {Job<FileVersion>} job */
async function work(job) {
  const { path, commit } = job.data;
  try {
    const known = findings.result(job.data);
    findings.complete(job, known ?? (await blame({ gitDirectory }, job.data, job.signal)));
  } catch (error) {
    if (job.signal.aborted) throw error;
    if (!(error instanceof Failure)) console.error(error);
    tell(`${path} at ${commit.slice(0, 10)}: ${error instanceof Error ? error.message : error}`);
    // Not given up: the next run tries again, when somebody has mended what is wrong.
    job.snooze('1s');
  }
}

/** @param {string} reason Why it is no use to go on. */
function tell(reason) {
  // If nobody listens any more, the `disconnect` that comes next ends this process.
  if (process.connected) process.send?.(reason, () => {});
}
