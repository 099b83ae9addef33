// @ts-check
// One of the processes that run git blame: `node worker.js <state directory> <git directory> <boundary>`.
import { blame } from './blame.js';
import { Failure } from './failure.js';
import { Findings } from './store.js';

/**
 * @typedef {import('./store.js').Task} Task
 * @typedef {{ took: Task } | { done: Task } | { failed: string }} News What a worker tells; it is never needed for what is kept.
 */

const [directory = '', gitDirectory = '', boundary = ''] = process.argv.slice(2);

// The main process tells by letting go that there is no more to do; or it has died.
const ending = new AbortController();
process.once('disconnect', () => ending.abort());
if (!process.connected) ending.abort();
// Ctrl-C reaches every process of a terminal. Whether to end is for the main process to say.
process.on('SIGINT', () => {});

const findings = new Findings(directory, boundary);
try {
  for (;;) {
    const task = await findings.take(ending.signal);
    tell({ took: task });
    await work(task);
    tell({ done: task });
  }
} catch (error) {
  if (ending.signal.aborted) process.exitCode = 0;
  else if (error instanceof Failure) tell({ failed: error.message });
  else throw error;
} finally {
  findings.close();
}

/** @param {Task} task */
async function work(task) {
  if (!findings.isPending(task)) return;
  const [blob, path, commit] = task;
  try {
    findings.complete(task, await blame({ gitDirectory }, { blob, path, commit }, ending.signal));
  } catch (error) {
    throw error instanceof Failure
      ? new Failure(`${path} at ${commit.slice(0, 10)}: ${error.message}`)
      : error;
  }
}

/** @param {News} news */
function tell(news) {
  // If nobody listens any more, the `disconnect` that comes next ends this process.
  if (process.connected) process.send?.(news, () => {});
}
