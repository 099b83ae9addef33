// @ts-check
import { count } from './progress.js';

/** @import { Report } from './report.js' */

const gap = 2;

/**
 * The report as lines of text: a row for each sample, a column for each period. The oldest periods share a column where the width
 * would not do otherwise.
 *
 * @param {Report} report
 * @param {number} width In characters.
 */
export function table({ periods, samples }, width) {
  const left = [
    ['date', ...samples.map(({ date }) => date)],
    ['commit', ...samples.map(({ commit }) => commit.slice(0, 10))],
    ['lines', ...samples.map(({ total }) => count(total))],
  ];
  for (let folded = 0; ; folded++) {
    const columns = [...left, ...periodColumns(periods, samples, folded)];
    const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)));
    const fits = widths.reduce((sum, n) => sum + n + gap, -gap) <= width;
    if (!fits && folded + 1 < periods.length) continue;
    return Array.from({ length: samples.length + 1 }, (_, row) =>
      columns
        .map((cells, i) =>
          i < 2 ? (cells[row] ?? '').padEnd(widths[i] ?? 0) : (cells[row] ?? '').padStart(widths[i] ?? 0),
        )
        .join(' '.repeat(gap))
        .trimEnd(),
    );
  }
}

/**
 * @param {Report['periods']} periods
 * @param {Report['samples']} samples
 * @param {number} folded How many of the oldest periods join the next.
 */
function periodColumns(periods, samples, folded) {
  return periods.slice(folded).map((period, i) => [
    i === 0 && folded > 0 ? `≤ ${period}` : period,
    ...samples.map(({ lines }) => {
      const sum = i === 0 ? lines.slice(0, folded + 1).reduce((a, b) => a + b, 0) : (lines[folded + i] ?? 0);
      return sum === 0 ? '·' : count(sum);
    }),
  ]);
}
