// @ts-check

/**
 * @import { Lines } from './blame.js'
 * @import { Moment } from './history.js'
 *
 * @typedef {object} SampleReport
 * @property {string} commit
 * @property {string} date Such as `2024-07-31`, in UTC.
 * @property {number[]} lines How many of each period, in the order of the periods.
 * @property {number} total
 *
 * @typedef {object} Report
 * @property {string} name Of the repository.
 * @property {'year' | 'month'} unit
 * @property {string[]} periods `2024`, or `2024-07`; oldest first.
 * @property {SampleReport[]} samples Oldest first.
 */

/** Months that are too many to be told apart in a table or a chart. */
const manyMonths = 36;

/**
 * @param {string} name
 * @param {readonly Moment[]} samples
 * @param {(commit: string) => Lines} totals
 * @returns {Report}
 */
export function makeReport(name, samples, totals) {
  const found = samples.map((moment) => ({ ...moment, months: totals(moment.commit) }));
  const all = [...new Set(found.flatMap(({ months }) => Object.keys(months)))].sort();
  const unit = distance(all[0], all.at(-1)) < manyMonths ? 'month' : 'year';
  /** @param {string} month */
  const periodOf = (month) => (unit === 'month' ? month : month.slice(0, 4));
  const periods = [...new Set(all.map(periodOf))];
  return {
    name,
    unit,
    periods,
    samples: found.map(({ commit, time, months }) => {
      const lines = periods.map(() => 0);
      for (const [month, count] of Object.entries(months)) {
        const at = periods.indexOf(periodOf(month));
        lines[at] = (lines[at] ?? 0) + count;
      }
      return { commit, date: dateOf(time), lines, total: lines.reduce((sum, n) => sum + n, 0) };
    }),
  };
}

/**
 * The period up to which half of today's lines were written; `undefined` when there are none.
 *
 * @param {Report} report
 */
export function middleAge({ periods, samples }) {
  const today = samples.at(-1);
  if (!today || today.total === 0) return undefined;
  let sum = 0;
  return periods.find((_, i) => (sum += today.lines[i] ?? 0) >= today.total / 2);
}

/** How many months lie between two. @param {string | undefined} first @param {string | undefined} last */
function distance(first = '', last = '') {
  /** @param {string} month */
  const number = (month) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5));
  return number(last) - number(first);
}

/** Such as `2024-07-31`, in UTC. @param {number} time In seconds. */
export function dateOf(time) {
  return new Date(time * 1_000).toISOString().slice(0, 10);
}
