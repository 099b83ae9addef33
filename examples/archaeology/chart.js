// @ts-check
import { count } from './progress.js';
import { middleAge } from './report.js';
import { script, style } from './page.js';

/** @import { Report, SampleReport } from './report.js' */

/**
 * The report as one HTML file that needs nothing else: a stacked chart, and the same as a table.
 *
 * @param {Report} report
 */
export function chartPage(report) {
  const name = escape(report.name);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${name}: how old is the code?</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1>${name}</h1>
<p>${summary(report)}</p>
</header>
<section class="card" aria-label="Chart">
${chart(report)}
${legend(report)}
</section>
<section class="card" aria-label="Table">
<div class="scroll" tabindex="0" role="region" aria-label="Lines by ${report.unit}">
${table(report)}
</div>
</section>
</main>
<div id="tip" hidden></div>
<script type="application/json" id="data">${json(tips(report))}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** @param {Report} report */
function summary(report) {
  const today = report.samples.at(-1);
  const middle = middleAge(report);
  if (!today || middle === undefined) return 'There are no lines of text.';
  const [share, rest] = report.periods.length === 1 ? ['All', ''] : ['Half', ' or before'];
  return `${share} of the <strong>${count(today.total)}</strong> lines of ${today.date} were written in <strong>${middle}</strong>${rest}.`;
}

/** @param {Report} report */
function chart({ periods, samples, unit }) {
  const { ticks, top } = scale(Math.max(1, ...samples.map(({ total }) => total)));
  const slot = 100 / samples.length;
  const columns = samples.map((sample, i) => column(sample, i, slot, top, periods));
  return `<div class="chart">
<div class="ticks" aria-hidden="true">${ticks.map((tick) => `<span style="bottom:${percent(tick / top)}">${short(tick)}</span>`).join('')}</div>
<svg class="plot" role="group" aria-label="Surviving lines by ${unit}, at ${samples.length} commits">
${ticks.map((tick) => `<line x1="0" x2="100%" y1="${percent(1 - tick / top)}" y2="${percent(1 - tick / top)}"/>`).join('')}
${columns.join('\n')}
</svg>
<div class="dates" aria-hidden="true">${dates(samples, slot, unit)}</div>
</div>`;
}

/**
 * @param {SampleReport} sample
 * @param {number} index
 * @param {number} slot
 * @param {number} top
 * @param {readonly string[]} periods
 */
function column({ date, total, lines }, index, slot, top, periods) {
  const width = Math.min(slot * 0.82, 14);
  const x = (index * slot + (slot - width) / 2).toFixed(3);
  let below = 0;
  const parts = lines.map((number, i) => {
    below += number;
    if (number === 0) return '';
    return `<rect data-p="${i}" fill="${color(i, periods.length)}" x="${x}%" y="${percent(1 - below / top)}" width="${width.toFixed(3)}%" height="${percent(number / top)}"/>`;
  });
  // The whole slot answers to the pointer, thin columns and the room above low ones too.
  const slotRect = `<rect class="slot" x="${(index * slot).toFixed(3)}%" y="0" width="${slot.toFixed(3)}%" height="100%"/>`;
  return `<g tabindex="0" role="img" data-i="${index}" aria-label="${date}: ${count(total)} lines">${slotRect}${parts.join('')}</g>`;
}

/**
 * @param {readonly SampleReport[]} samples
 * @param {number} slot
 * @param {Report['unit']} unit
 */
function dates(samples, slot, unit) {
  // As many as there is room for; every second one goes where the page is narrow.
  const every = Math.ceil(samples.length / 12);
  return samples
    .map(({ date }, i) => {
      if ((samples.length - 1 - i) % every !== 0) return '';
      const minor =
        ((samples.length - 1 - i) / every) % (samples.length > 4 ? 3 : 1) === 0 ? '' : ' class="minor"';
      return `<span${minor} style="left:${((i + 0.5) * slot).toFixed(3)}%">${unit === 'year' ? date.slice(0, 7) : date}</span>`;
    })
    .join('');
}

/** @param {Report} report */
function legend({ periods }) {
  const items = periods.map(
    (period, i) =>
      `<li><button type="button" data-p="${i}" aria-pressed="false"><i style="background:${color(i, periods.length)}"></i>${escape(period)}</button></li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}

/** @param {Report} report */
function table({ periods, samples }) {
  const head = ['Date', 'Commit', 'Lines', ...periods].map((text) => `<th scope="col">${escape(text)}</th>`);
  const rows = samples.map(({ date, commit, total, lines }) => {
    const cells = [total, ...lines].map((number) => `<td>${number === 0 ? '·' : count(number)}</td>`);
    return `<tr><th scope="row">${date}</th><td><code>${escape(commit.slice(0, 10))}</code></td>${cells.join('')}</tr>`;
  });
  return `<table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.reverse().join('\n')}</tbody></table>`;
}

/** What the page shows beside the pointer. @param {Report} report */
function tips({ periods, samples }) {
  return {
    periods,
    colors: periods.map((_, i) => color(i, periods.length)),
    samples: samples.map(({ date, commit, lines, total }) => ({
      date,
      commit: commit.slice(0, 10),
      lines,
      total,
    })),
  };
}

/** Round numbers up to `most`, a handful, and the upper end of the chart. @param {number} most */
function scale(most) {
  const rough = most / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5].find((one) => one * magnitude >= rough) ?? 10;
  const step = Math.max(1, factor * magnitude);
  return { ticks: Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step), top: most * 1.03 };
}

/** From the oldest to the newest, told apart by hue, and by lightness too. */
const ramp = [
  '#46327e',
  '#365c8d',
  '#277f8e',
  '#1fa187',
  '#4ac16d',
  '#a0da39',
  '#f4d03f',
  '#f39c3d',
  '#e8603c',
].map((hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));

/** @param {number} index @param {number} length */
function color(index, length) {
  const place = length === 1 ? ramp.length / 2 - 1 : (index / (length - 1)) * (ramp.length - 1);
  const [from = [], to = []] = [ramp[Math.floor(place)], ramp[Math.ceil(place)]];
  const mixed = from.map((part, i) => Math.round(part + ((to[i] ?? 0) - part) * (place % 1)));
  return `#${mixed.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

/** @param {number} share */
function percent(share) {
  return `${(share * 100).toFixed(3)}%`;
}

/** @param {number} number */
function short(number) {
  return number.toLocaleString('en-US', { notation: 'compact', maximumFractionDigits: 1 });
}

/** @type {Record<string, string>} */
const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** Data inside a script element, which nothing in it can end. @param {unknown} data */
function json(data) {
  return JSON.stringify(data).replace(/</g, '\\u003c');
}
