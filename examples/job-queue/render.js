// @ts-check
import { Marked } from 'marked';

const markdown = new Marked();

/**
 * A page of HTML. Whatever the Markdown has in it, the page runs nothing and loads nothing.
 *
 * @param {string} path
 * @param {string} text
 */
export function render(path, text) {
  const tokens = markdown.lexer(text);
  const heading = tokens.find(({ type }) => type === 'heading');
  const title = heading && 'text' in heading ? heading.text : path;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(title)}</title>
<style>body { font: 1rem/1.5 system-ui; max-width: 45rem; margin: 2rem auto; padding: 0 1rem } pre { overflow-x: auto }</style>
</head>
<body>
${markdown.parser(tokens)}
<footer>Made from <code>${escape(path)}</code>.</footer>
</body>
</html>
`;
}

/** @type {Record<string, string>} */
const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
