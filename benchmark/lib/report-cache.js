import { duration, ratio, verdict } from './report.js';

/** @param {any} result @returns {import('./report.js').Part} */
function operationsPart({ peers, rows }) {
  const [base, ...others] = peers;
  return {
    title: 'Cache, single operations (× is the time against the same by hand)',
    columns: ['', base, ...others.flatMap((name) => [name, '×']), 'target'],
    rows: rows.map(({ name, target, twice, figures }) => {
      const figureOf = (peer) => figures.find((figure) => figure.name === peer);
      const times = (peer) => figureOf(peer)?.ratio ?? NaN;
      const cells = others.flatMap((peer) => {
        const figure = figureOf(peer);
        return figure === undefined ? ['–', '–'] : [duration(figure.median), ratio(figure.ratio)];
      });
      const aim = twice
        ? verdictOfRate(times('DiskCache') / times('Holdfast'))
        : verdict(times('Holdfast'), target);
      return [name, duration(figureOf(base).median), ...cells, aim];
    }),
  };
}

/** Whether it is twice as fast as DiskCache. @param {number} times */
const verdictOfRate = (times) =>
  Number.isNaN(times) ? '' : `${ratio(times)} of DiskCache’s rate, ≥ 2 ${times >= 2 ? 'yes' : 'NO'}`;

/** @param {any} result @returns {import('./report.js').Part[]} */
export function cacheParts({ operations }) {
  return [operationsPart(operations)];
}
