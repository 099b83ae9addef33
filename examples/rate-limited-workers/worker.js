// @ts-check
// One of the processes: `node worker.js <directory> <url> <requests>`. It makes requests, and stands for election to write the log.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Shared } from './shared.js';

const [directory = '', url = '', requests = ''] = process.argv.slice(2);
const file = join(directory, 'log.txt');
const shared = new Shared(directory, Number(requests));

// The main process lets go when there is no more to do; or it has died.
const ending = new AbortController();
process.once('disconnect', () => ending.abort());
process.on('SIGINT', () => {});

try {
  await Promise.all([lead(), ...Array.from({ length: 3 }, callTheService)]);
} catch (error) {
  if (!ending.signal.aborted) throw error;
} finally {
  shared.close();
}

/** Leads when it is elected, until it dies or there is no more to do. */
async function lead() {
  const term = await shared.election.campaign({ label: `process ${process.pid}`, signal: ending.signal });
  const signal = AbortSignal.any([term.signal, ending.signal]);
  // The leader before may have died between writing a line and striking it off.
  const log = existsSync(file) ? readFileSync(file, 'utf8') : '';
  let last = log.trimEnd().split('\n').at(-1)?.split(' ')[0];
  await shared.writeLog(signal, (request) => {
    if (String(request) !== last)
      appendFileSync(file, `${request} ${process.pid} ${new Date().toISOString()}\n`);
    last = '';
  });
}

async function callTheService() {
  for (;;) {
    const request = shared.begin();
    if (request === undefined) {
      if (await shared.isOver(ending.signal)) return;
      continue;
    }
    const answer = await shared.atOnce.use(
      async () => {
        await shared.limit.wait({ signal: ending.signal });
        const response = await fetch(url, { signal: ending.signal });
        return response.text();
      },
      { signal: ending.signal },
    );
    shared.end(request, answer);
  }
}
