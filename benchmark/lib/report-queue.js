import { digits, ratio, spaced, verdict } from './report.js';

/** Three digits. */
const perSecond = (value) => (value === undefined ? '–' : spaced(Number(value.toPrecision(3))));
const ms = (value) => `${digits(value)} ms`;

const least = (value, aim) =>
  aim === undefined || value === undefined ? '' : `≥ ${spaced(aim)} ${value >= aim ? 'yes' : 'NO'}`;

/** @returns {import('./report.js').Part} */
function ratesPart(title, { names, rows }, base) {
  const others = names.filter((name) => name !== base);
  return {
    title,
    columns: [
      'jobs a second',
      ...(base ? [base] : []),
      ...others.flatMap((name) => (base ? [name, '×'] : [name])),
      'target',
    ],
    rows: rows.map(({ name, aim, figures }) => {
      const rateOf = (who) => figures.find((figure) => figure.name === who)?.rate;
      const times = (who) => ratio((rateOf(base) ?? NaN) / (rateOf(who) ?? NaN));
      return [
        name,
        ...(base ? [perSecond(rateOf(base))] : []),
        ...others.flatMap((who) => {
          const cells = [perSecond(rateOf(who))];
          if (base) cells.push(times(who) === 'NaN' ? '–' : times(who));
          return cells;
        }),
        base ? least(rateOf('Holdfast'), aim) : ahead(figures),
      ];
    }),
  };
}

/** Whether Holdfast is ahead of all others. */
function ahead(figures) {
  const own = figures.find(({ name }) => name === 'Holdfast').rate;
  const others = figures.filter(({ name }) => name !== 'Holdfast').map(({ rate }) => rate);
  return others.length === 0 ? '' : `ahead ${own > Math.max(...others) ? 'yes' : 'NO'}`;
}

function inUsePart(rows) {
  const [base] = rows;
  return {
    title: 'Queue, with more in use (× is the time against the first row)',
    columns: ['jobs a second', 'addMany of 1 000', '×', 'done, gathered, concurrency 10', '×', 'target'],
    rows: rows.map(({ name, adding, doing }) => [
      name,
      perSecond(adding),
      ratio(base.adding / adding),
      perSecond(doing),
      ratio(base.doing / doing),
      least(doing, 100_000),
    ]),
  };
}

function latencyPart({ count, rows }) {
  const targets = ({ name, p50, p99, idle }) =>
    name === 'Holdfast'
      ? [verdict(p50, 1, 'ms'), verdict(p99, 6, 'ms'), verdict(idle, 0.2, '%')].join(', ')
      : '';
  return {
    title: `Queue, from add in one process to the handler’s first line in another, ${count} times`,
    columns: ['', 'p50', 'p99', 'longest', 'idle worker’s CPU', 'targets of p50, p99, CPU'],
    rows: rows.map((row) => [
      row.name,
      ms(row.p50),
      ms(row.p99),
      ms(row.longest),
      `${row.idle.toFixed(2)} %`,
      targets(row),
    ]),
  };
}

function deathsPart({ times, rows }) {
  return {
    title: `Queue, from kill -9 of a worker to its job’s next start in another process, ${times} times`,
    columns: ['', 'p50', 'p99', 'longest', 'target of p99'],
    rows: rows.map(({ name, p50, p99, longest }) => [
      name,
      ms(p50),
      ms(p99),
      ms(longest),
      verdict(p99, 100, 'ms'),
    ]),
  };
}

function backlogPart({ rows }) {
  const kinds = { waiting: 'that wait', delayed: 'that are delayed', saturated: 'of a group at its limit' };
  return {
    title: 'Queue, what a job costs while there are many others (× is the time against the first row)',
    columns: ['others', 'a job', '×', 'target'],
    rows: rows.map(({ kind, jobs, median, ratio: times }, i) => [
      `${spaced(jobs)} ${kinds[kind]}`,
      `${digits(median / 1e3)} µs`,
      ratio(times),
      i === 0 ? '' : verdict(times, 2),
    ]),
  };
}

/** @param {any} result @returns {import('./report.js').Part[]} */
export function queueParts({ embedded, durable, inUse, latency, deaths, backlog, server, postgres }) {
  return [
    ratesPart('Queue, embedded (× is the time against the same by hand)', embedded, 'by hand'),
    ratesPart('Queue, embedded, durability: ‘power’ (by hand: synchronous = FULL)', durable, 'by hand'),
    inUsePart(inUse),
    latencyPart(latency),
    deathsPart(deaths),
    backlogPart(backlog),
    ...(server ? [ratesPart(`Queue on PostgreSQL ${postgres}`, server)] : []),
  ];
}
