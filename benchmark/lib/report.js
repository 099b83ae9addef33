import { cacheParts } from './report-cache.js';
import { queueParts } from './report-queue.js';

/** A figure for people: three digits. @param {number} nanoseconds */
export function duration(nanoseconds) {
  if (!Number.isFinite(nanoseconds)) return '–';
  if (nanoseconds < 1000) return `${nanoseconds.toFixed(0)} ns`;
  return nanoseconds < 1e6 ? `${digits(nanoseconds / 1e3)} µs` : `${digits(nanoseconds / 1e6)} ms`;
}

/** @param {number} value */
export const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** @param {number} value */
export const ratio = (value) =>
  value >= 99.5 ? value.toFixed(0) : value >= 9.95 ? value.toFixed(1) : value.toFixed(2);

/** A count for people. @param {number} value */
export const spaced = (value) => value.toLocaleString('en').replaceAll(',', ' ');

/** @param {number} value @param {string} unit */
const limit = (value, unit) => (unit === '' ? value.toFixed(2) : `${value} ${unit}`);

/** Whether a figure keeps its target, for people. @param {number | undefined} value @param {number | undefined} target */
export function verdict(value, target, unit = '') {
  if (target === undefined || value === undefined) return '';
  // Two digits are shown, so two digits count.
  return `≤ ${limit(target, unit)} ${Number(value.toFixed(2)) <= target ? 'yes' : 'NO'}`;
}

/**
 * @typedef {{ title: string, columns: string[], rows: string[][] }} Part
 */

/** @param {any} result @returns {Part} */
function operationsPart({ entries, peers, rows }) {
  const [base, ...others] = peers;
  const columns = [`each on ${spaced(entries)} entries`, base];
  for (const name of others) columns.push(name, '×');
  return {
    title: 'Single operations (× is the time against the same work by hand)',
    columns: [...columns, 'target'],
    rows: rows.map(({ name, target, figures }) => [
      name,
      duration(figures[0].median),
      ...figures.slice(1).flatMap((figure) => [duration(figure.median), ratio(figure.ratio)]),
      verdict(figures[1]?.ratio, target),
    ]),
  };
}

/** @param {any} result @returns {Part} */
export function growthPart({ sizes, rows }, title = 'Growth') {
  const names = sizes.map(spaced);
  const [smallest, ...larger] = names;
  return {
    title: `${title} (× is the time against that at ${smallest} entries)`,
    columns: ['entries', smallest, ...larger.flatMap((name) => [name, '×']), 'target'],
    rows: rows.map(({ name, target, figures }) => [
      name,
      duration(figures[0].median),
      ...figures.slice(1).flatMap((figure) => [duration(figure.median), ratio(figure.ratio)]),
      verdict(Math.max(...figures.map((figure) => figure.ratio)), target),
    ]),
  };
}

/** @param {any} result @returns {Part} */
function processesPart({ rows }) {
  const columns = ['processes writing at once', 'Holdfast', 'by hand', '×', 'target'];
  const table = rows.flatMap(({ where, processes, holdfast, byHand }) => [
    [
      `${processes} ${where}: sets per second, together`,
      holdfast.throughput.toFixed(0),
      byHand.throughput.toFixed(0),
      ratio(holdfast.throughput / byHand.throughput),
      '',
    ],
    [
      `${processes} ${where}: longest wait`,
      `${digits(holdfast.longest)} ms`,
      `${digits(byHand.longest)} ms`,
      ratio(holdfast.longest / byHand.longest),
      verdict(holdfast.longest, 50, 'ms'),
    ],
    [
      `${processes} ${where}: most sets against fewest`,
      ratio(holdfast.unfairness),
      ratio(byHand.unfairness),
      ratio(holdfast.unfairness / byHand.unfairness),
      verdict(holdfast.unfairness, 1.5),
    ],
  ]);
  return { title: 'Processes (by hand: SQLite’s own busy handler, timeout 20 s)', columns, rows: table };
}

/** @param {any} result @returns {Part} */
function throttlePart({ peers, rows }) {
  const [base, ...others] = peers;
  return {
    title: 'Rate limits (× is the time against the same statement by hand)',
    columns: ['1 000 keys', base, ...others.flatMap((name) => [name, '×']), 'target'],
    rows: rows.map(({ name, target, figures }) => [
      name,
      duration(figures[0].median),
      ...figures.slice(1).flatMap((figure) => [duration(figure.median), ratio(figure.ratio)]),
      verdict(figures[1]?.ratio, target),
    ]),
  };
}

/** @param {any} result @returns {Part} */
function heldPart({ held: { processes, seconds, wanted, rate, unfairness } }) {
  const off = Math.abs(rate / wanted - 1) * 100;
  return {
    title: `Rate held: ${processes} processes wait for their turns for ${seconds} s`,
    columns: ['a second', 'wanted', 'had', 'off', 'target', 'most against fewest of a process'],
    rows: [
      [
        'turns',
        String(wanted),
        rate.toFixed(1),
        `${off.toFixed(2)} %`,
        verdict(off, 1, '%'),
        ratio(unfairness),
      ],
    ],
  };
}

/** @param {any} result @returns {Part} */
function bellPart({ times, rows }) {
  return {
    title: `Bell, ${times} times (from just before the commit in one process to the callback in another)`,
    columns: [
      'what waits',
      'p50',
      'p99',
      'longest',
      'p50 from the return of the call',
      'over 50 ms',
      'lost',
      'target of p50',
    ],
    rows: rows.map((row) => [
      { watch: 'Index.watch', take: 'Deque.take', touch: 'by hand: futimes and fs.watch' }[row.how],
      ...[row.p50, row.p99, row.longest, row.p50FromReturn].map((wait) => `${digits(wait)} ms`),
      String(row.late),
      String(row.lost),
      row.how === 'touch' ? '' : verdict(row.p50, 0.5, 'ms'),
    ]),
  };
}

/** @param {any} result @returns {Part[]} */
function locksParts({ alone, contended, deaths }) {
  const ms = (value) => `${digits(value)} ms`;
  const targets = { tryAcquire: 1.4, acquire: 1.4 };
  return [
    {
      title:
        'A lock that nobody else wants: taken and given back (× is the time against the same two statements by hand)',
      columns: ['by', 'time', '×', 'target'],
      rows: alone.map(({ name, median, ratio: times }) => [
        name in targets || name === 'use' ? `Lock, ${name}` : name,
        duration(median),
        ratio(times),
        verdict(times, targets[name]),
      ]),
    },
    {
      title: 'One lock that several processes want without pause',
      columns: [
        'processes, held for',
        'taken a second',
        'hand-over p50',
        'p99',
        'longest wait',
        'worst of 3 runs',
        'most against fewest',
        'targets',
      ],
      rows: contended.map((row) => [
        `${row.processes}, ${row.hold} ms${{ '': '', fair: ', fair: true', DiskCache: ', DiskCache' }[row.by]}`,
        row.throughput.toFixed(0),
        row.by === 'DiskCache' ? '–' : ms(row.p50),
        row.by === 'DiskCache' ? '–' : ms(row.p99),
        ms(row.longest),
        ms(row.worst),
        ratio(row.unfairness),
        row.by === 'DiskCache'
          ? ''
          : [verdict(row.p50, 1, 'ms'), verdict(row.longest, 50, 'ms'), verdict(row.unfairness, 1.3)].join(
              ', ',
            ),
      ]),
    },
    {
      title: `From the holder’s kill -9 to the next holder, ${deaths.times} times`,
      columns: ['p50', 'p99', 'longest', 'target of p99'],
      rows: [[ms(deaths.p50), ms(deaths.p99), ms(deaths.longest), verdict(deaths.p99, 50, 'ms')]],
    },
  ];
}

/** @param {any} results @returns {Part[]} */
export function partsOf(results) {
  const parts = [];
  if (results.operations) parts.push(operationsPart(results.operations));
  if (results.growth) parts.push(growthPart(results.growth));
  if (results.processes) parts.push(processesPart(results.processes));
  if (results.bell) parts.push(bellPart(results.bell));
  if (results.locks) parts.push(...locksParts(results.locks));
  if (results.throttle) parts.push(throttlePart(results.throttle), heldPart(results.throttle));
  if (results.queue) parts.push(...queueParts(results.queue));
  if (results.cache) parts.push(...cacheParts(results.cache));
  return parts;
}

/** @param {Part[]} parts @param {string[]} notes */
export function asText(parts, notes) {
  const tables = parts.map(({ title, columns, rows }) => {
    const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i].length)));
    const line = (cells) =>
      cells
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd();
    return [title, '', line(columns), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join(
      '\n',
    );
  });
  return [notes.join('\n'), ...tables].join('\n\n') + '\n';
}

/** @param {Part[]} parts @param {string[]} notes */
export function asMarkdown(parts, notes) {
  const tables = parts.map(({ title, columns, rows }) => {
    const line = (cells) => `| ${cells.join(' | ')} |`;
    return [
      `### ${title}`,
      '',
      line(columns),
      line(columns.map((_, i) => (i === 0 ? '---' : '--:'))),
      ...rows.map(line),
    ].join('\n');
  });
  return [notes.map((note) => `- ${note}`).join('\n'), ...tables].join('\n\n') + '\n';
}
