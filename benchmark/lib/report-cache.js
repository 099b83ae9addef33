import { digits, duration, growthPart, ratio, spaced, verdict } from './report.js';

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

/** @param {any} result @returns {import('./report.js').Part} */
function usesPart({ entries, rows }) {
  const names = rows[0].figures.map(({ name }) => name);
  return {
    title:
      'Cache, get by policy, with the writing of what was read (× is the time against the statement by hand)',
    columns: ['', ...rows.flatMap(({ of }) => [`${spaced(of)} of ${spaced(entries)} keys`, '×', 'target'])],
    rows: names.map((name, i) => [
      name,
      ...rows.flatMap(({ figures }) => [
        duration(figures[i].median),
        ratio(figures[i].ratio),
        name.startsWith('least') ? verdict(figures[i].ratio, 1.3) : '',
      ]),
    ]),
  };
}

/** @param {any} result @returns {import('./report.js').Part} */
function fullPart({ entries, rows }) {
  return {
    title: `Cache, set of a new entry where there is room, and where another goes for it (${spaced(entries)} entries)`,
    columns: ['', 'room', 'full', '×', 'target'],
    rows: rows.map(({ name, figures: [room, full] }) => [
      name,
      duration(room.median),
      duration(full.median),
      ratio(full.ratio),
      name === 'by hand' ? '' : verdict(full.ratio, 2),
    ]),
  };
}

/** @param {any} result @returns {import('./report.js').Part} */
function mixPart({ keys, seconds, runs, rows }) {
  const times = ({ p50, p99, longest }) => [p50, p99, longest].map(duration).join(' / ');
  return {
    title: `Cache, DiskCache’s mix: 90 % get, 9 % set, 1 % delete of ${keys} keys, for ${seconds} s (p50 / p99 / longest; medians of ${runs} runs)`,
    columns: ['', 'a second', 'get', 'set', 'delete', 'longest of all runs', 'target of the longest'],
    rows: rows.map(({ where, processes, name, throughput, ...by }) => {
      const all = [by.get, by.set, by.delete];
      const longest = Math.max(...all.map(({ worst }) => worst));
      return [
        `${processes} ${where}, ${name}`,
        spaced(Number(throughput.toPrecision(3))),
        ...all.map(times),
        duration(longest),
        name === 'Holdfast' && processes === 8 ? verdict(longest / 1e6, 50, 'ms') : '',
      ];
    }),
  };
}

/** @param {any} result @returns {import('./report.js').Part} */
function stampedePart({ processes, callers, times, most, ...waits }) {
  return {
    title: `Cache, a stampede: ${processes} processes × ${callers} callers want one key that is not there, ${times} times`,
    columns: [
      'calls of produce, at most',
      'target',
      'from its end to the last caller: p50',
      'p99',
      'longest',
    ],
    rows: [
      [
        String(most),
        `1 ${most === 1 ? 'yes' : 'NO'}`,
        ...[waits.p50, waits.p99, waits.longest].map((wait) => `${digits(wait)} ms`),
      ],
    ],
  };
}

/** @param {any} result @returns {import('./report.js').Part} */
function streamsPart({ bytes, rows }) {
  const MB = (value) => `${(value / 1e6).toFixed(0)} MB`;
  return {
    title: `Cache, a stream of ${spaced(bytes / 1e6)} MB: the memory that its process takes (RSS)`,
    columns: ['', 'before', 'at most', 'target', 'MB a second'],
    rows: rows.map(({ what, before, most, seconds }) => [
      what,
      MB(before),
      MB(most),
      verdict(most / 1e6, 100, 'MB'),
      digits(bytes / 1e6 / seconds),
    ]),
  };
}

/** @param {any} result @returns {import('./report.js').Part} */
function deathsPart({ times, ...waits }) {
  return {
    title: `Cache, the process that works a value out is killed, ${times} times: until another, which waits for it, has worked it out`,
    columns: ['p50', 'p99', 'longest'],
    rows: [[waits.p50, waits.p99, waits.longest].map((wait) => `${digits(wait)} ms`)],
  };
}

/** @param {any} result @param {any} shape @returns {import('./report.js').Part} */
function spacePart({ lengths, bytes }, { shape, rows }) {
  const sizes = lengths.map((length) => `${length / 1024} KiB each`);
  return {
    title: `Cache, bytes on disk of ${(bytes / 1e6).toFixed(1)} MB of text in JSON, ${shape}, as part of its plain size; and the time of a set and a get`,
    columns: ['', ...sizes.flatMap((size) => [size, 'set', 'get']), 'target of the largest'],
    rows: rows.map(({ name, sizes: measured }) => [
      name,
      ...measured.flatMap((one) => [ratio(one.ratio), duration(one.set), duration(one.get)]),
      name.startsWith('brotli') ? verdict(measured.at(-1).ratio, 0.2) : '',
    ]),
  };
}

/** @param {any} result @returns {import('./report.js').Part[]} */
export function cacheParts({ operations, uses, full, mix, stampede, growth, streams, space }) {
  return [
    operationsPart(operations),
    usesPart(uses),
    fullPart(full),
    mixPart(mix),
    stampedePart(stampede),
    deathsPart(stampede.deaths),
    growthPart(growth, 'Cache, growth'),
    streamsPart(streams),
    ...(space === undefined ? [] : space.shapes.map((shape) => spacePart(space, shape))),
  ];
}
