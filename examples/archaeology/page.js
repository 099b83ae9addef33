// @ts-check
// What is the same in every page: its looks, and what it does under the pointer.

export const style = `
:root { --page: #f6f7f9; --card: #fff; --text: #1c2024; --quiet: #60646c; --line: #e3e5e9; --hover: #8b8d9818; }
@media (prefers-color-scheme: dark) {
  :root { --page: #111214; --card: #1a1b1f; --text: #edeef0; --quiet: #a0a4ad; --line: #2f3136; --hover: #ffffff14; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { margin: 0; font-size: 28px; line-height: 1.2; letter-spacing: -0.02em; overflow-wrap: anywhere; }
header p { margin: 6px 0 24px; color: var(--quiet); }
strong { color: var(--text); font-weight: 600; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin-bottom: 20px; }
.chart { display: grid; grid-template: 380px 28px / auto 1fr; column-gap: 10px; padding-top: 8px; color: var(--quiet); font-size: 12px; }
.ticks { position: relative; min-width: 40px; }
.ticks span { position: absolute; right: 0; transform: translateY(50%); line-height: 1; }
.plot { width: 100%; height: 100%; overflow: visible; }
.plot line { stroke: var(--line); shape-rendering: crispEdges; }
.plot rect { stroke: var(--card); stroke-width: 0.5; transition: opacity 0.15s; }
.plot .slot { fill: transparent; stroke: none; }
.plot g { outline: none; }
.plot g:hover .slot, .plot g:focus-visible .slot { fill: var(--hover); }
.dates { grid-column: 2; position: relative; }
.dates span { position: absolute; top: 10px; transform: translateX(-50%); white-space: nowrap; line-height: 1; }
.legend { display: flex; flex-wrap: wrap; gap: 2px; margin: 16px 0 0; padding: 0; list-style: none; }
.legend button { display: flex; align-items: center; gap: 6px; padding: 3px 8px; border: 0; border-radius: 6px; background: none; color: inherit; font: inherit; font-size: 13px; cursor: pointer; }
.legend button:hover, .legend button[aria-pressed=true] { background: var(--hover); }
i { flex: none; width: 11px; height: 11px; border-radius: 3px; }
.dim .plot rect:not(.on, .slot) { opacity: 0.15; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap; }
th, td { padding: 5px 10px; text-align: right; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--quiet); font-weight: 500; }
th:first-child { position: sticky; left: 0; background: var(--card); }
th:nth-child(-n+2), td:nth-child(2) { text-align: left; }
tbody th { font-weight: 500; }
code { font: 12px ui-monospace, monospace; color: var(--quiet); }
#tip { position: fixed; z-index: 1; top: 0; left: 0; max-height: 90vh; overflow: hidden; padding: 10px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); box-shadow: 0 6px 24px #0003; font-size: 13px; line-height: 1.45; pointer-events: none; }
#tip b { display: block; font-weight: 600; }
#tip small { display: block; color: var(--quiet); margin-bottom: 6px; }
#tip div { display: flex; align-items: center; gap: 8px; }
#tip span:last-child { margin-left: auto; padding-left: 16px; }
#tip .on { font-weight: 700; }
@media (max-width: 720px) {
  main { padding: 20px 12px; }
  .card { padding: 14px; }
  .chart { grid-template-rows: 280px 28px; }
  .minor { display: none; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`;

export const script = `
const { periods, colors, samples } = JSON.parse(document.getElementById('data').textContent);
const tip = document.getElementById('tip');
const most = 16;

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function show(column, part, x, y) {
  const { date, commit, lines, total } = samples[column.dataset.i];
  tip.replaceChildren();
  element('b', date, tip);
  element('small', commit + ' · ' + total.toLocaleString('en-US') + ' lines', tip);
  // The newest on top, as in the column. With many, the smallest are left out.
  const threshold = [...lines].sort((a, b) => b - a)[most] ?? 0;
  for (let i = lines.length - 1; i >= 0; i--) {
    if (lines[i] === 0 || (lines[i] <= threshold && i !== part)) continue;
    const row = element('div', '', tip);
    row.className = i === part ? 'on' : '';
    element('i', '', row).style.background = colors[i];
    element('span', periods[i], row);
    element('span', lines[i].toLocaleString('en-US') + ' · ' + (100 * lines[i] / total).toFixed(1) + '%', row);
  }
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? Math.max(4, x - 16 - width) : x + 16;
  const top = Math.min(Math.max(4, y - height / 2), Math.max(4, innerHeight - height - 4));
  tip.style.transform = 'translate(' + left + 'px,' + top + 'px)';
}

function hide() { tip.hidden = true; }

for (const column of document.querySelectorAll('.plot g')) {
  column.addEventListener('pointermove', (event) => {
    const part = event.target.dataset.p;
    show(column, part === undefined ? -1 : Number(part), event.clientX, event.clientY);
  });
  column.addEventListener('pointerleave', hide);
  column.addEventListener('focus', () => {
    if (!column.matches(':focus-visible')) return;
    const box = column.getBoundingClientRect();
    show(column, -1, box.right, box.top + box.height / 2);
  });
  column.addEventListener('blur', hide);
}
addEventListener('scroll', hide, { passive: true });
addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });

// A period of the legend is picked out while the pointer is on it, and stays so when it was pressed.
const buttons = [...document.querySelectorAll('.legend button')];
function pick(hovered) {
  const picked = buttons.filter((button) => button === hovered || button.getAttribute('aria-pressed') === 'true').map((button) => button.dataset.p);
  document.body.classList.toggle('dim', picked.length > 0);
  for (const part of document.querySelectorAll('.plot rect[data-p]')) part.classList.toggle('on', picked.includes(part.dataset.p));
}
for (const button of buttons) {
  button.addEventListener('click', () => {
    button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
    pick();
  });
  button.addEventListener('pointerenter', () => pick(button));
  button.addEventListener('pointerleave', () => pick());
}
`;
