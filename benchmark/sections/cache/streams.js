// A value much larger than what a process may take: written as a stream, and read, by a process each.
import { ended, nextMessage, removeDirectory, startScript, temporaryDirectory } from '../../lib/temporary.js';

/** @param {{ places: import('../../lib/queues.js').Places, quick: boolean, progress(what: string): void }} options */
export async function measureStreams({ places: { build }, quick, progress }) {
  const bytes = quick ? 200_000_000 : 2_000_000_000;
  const directory = temporaryDirectory();
  const rows = [];
  try {
    for (const what of ['write', 'read']) {
      progress(`cache: ${what} a stream`);
      const child = startScript('cache-stream.js', [build, directory, what, String(bytes)]);
      const left = ended(child);
      rows.push({ what, ...(await nextMessage(child)) });
      await left;
    }
  } finally {
    removeDirectory(directory);
  }
  return { bytes, rows };
}
