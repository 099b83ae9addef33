// From a commit in one process to the callback in another that waits for it. 'touch' is a file
// whose time is set, and fs.watch, without any store: what the system takes.
import { quantile } from '../lib/measure.js';
import { nextMessage, removeDirectory, startScript, temporaryDirectory } from '../lib/temporary.js';

/** Above this the waiter may have been woken by the poll alone, which comes every 80 to 120 ms. In milliseconds. */
const byPoll = 50;

/** When a value was heard of. `watch` may fold it into a later one; an item that is taken is itself. */
const heardOf = (how, heard, value) =>
  heard.find(([one]) => (how === 'watch' ? one >= value : one === value))?.[1];

async function once(how, build, times) {
  const directory = temporaryDirectory();
  try {
    const listener = startScript('listener.js', [how, build, directory]);
    await nextMessage(listener);
    const heardLater = nextMessage(listener);
    const rung = await nextMessage(startScript('ringer.js', [how, build, directory, String(times)]));
    const heard = await heardLater;
    const waits = rung.map(([value, before, after]) => [heardOf(how, heard, value), before, after]);
    const came = waits.filter(([at]) => at !== undefined);
    return {
      fromCommit: came.map(([at, before]) => (at - before) / 1e6),
      fromReturn: came.map(([at, , after]) => (at - after) / 1e6),
      lost: waits.length - came.length,
    };
  } finally {
    removeDirectory(directory);
  }
}

/** @param {{ build: string, quick: boolean, progress(what: string): void }} options */
export async function measureBell({ build, quick, progress }) {
  const times = quick ? 100 : 600;
  const rows = [];
  for (const how of ['watch', 'take', 'touch']) {
    progress(`bell: ${how}`);
    const { fromCommit, fromReturn, lost } = await once(how, build, times);
    rows.push({
      how,
      p50: quantile(fromCommit, 0.5),
      p99: quantile(fromCommit, 0.99),
      longest: Math.max(...fromCommit),
      p50FromReturn: quantile(fromReturn, 0.5),
      p99FromReturn: quantile(fromReturn, 0.99),
      late: fromCommit.filter((wait) => wait > byPoll).length,
      lost,
    });
  }
  return { times, rows };
}
