// @ts-check
// Eats with two forks, again and again, and tells how long each took; proves that nobody else has them with an index entry for each.
import { Index, Lock } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location, number, count] = args;
const store = await openStore(location);
const forks = [Number(number), (Number(number) + 1) % Number(count)];
/** @type {any} */
const used = new Index(store, 'used');
const set = Lock.all(forks.map((fork) => new Lock(/** @type {any} */ (store), `fork ${fork}`)));
send({ ready: true });
for (;;) {
  const asked = performance.now();
  await set.use(async (grant) => {
    const waited = performance.now() - asked;
    for (const [i, fork] of forks.entries()) {
      const fence = Number(grant.grants[i]?.fence);
      if (((await used.get(`fork ${fork}`)) ?? 0) >= fence) throw new Error('a fence came twice');
      await used.set(`fork ${fork}`, fence);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
    for (const [i, fork] of forks.entries())
      if ((await used.get(`fork ${fork}`)) !== Number(grant.grants[i]?.fence))
        throw new Error('two hold a fork');
    send({ waited });
  });
}
