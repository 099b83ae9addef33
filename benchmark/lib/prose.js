// Text that ships with Node, in the shape of what is cached of a language model: prompts with documents, and answers.
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where npm lies beside this Node, on systems of either kind. */
function npmDirectory() {
  const binaries = dirname(realpathSync(process.execPath));
  return [join(binaries, '..', 'lib', 'node_modules', 'npm'), join(binaries, 'node_modules', 'npm')].find(
    (path) => existsSync(join(path, 'package.json')),
  );
}

/** The pages of npm's documentation and the READMEs of what it is made of; `undefined` where there is no npm. */
export function prose() {
  const directory = npmDirectory();
  if (directory === undefined) return undefined;
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const pages = files.filter((file) => file.endsWith('.md')).sort();
  return pages.map((file) => readFileSync(join(directory, file), 'utf8')).join('\n');
}

const instructions =
  'You answer questions about the documents that you are given. Quote what the answer rests on. Where the documents do not tell, say so.';

/** A conversation about so many characters of a text: three quarters are the document, the rest the turns that follow. @param {string} text @param {number} n */
function conversation(text, n) {
  const document = text.slice(0, text.length * 0.75);
  const rest = text.slice(document.length);
  const turns = Math.max(2, 2 * Math.round(rest.length / 4000));
  const length = Math.ceil(rest.length / turns);
  return {
    request: {
      model: 'a-language-model-1',
      temperature: 0.2,
      messages: [
        { role: 'system', content: instructions },
        { role: 'user', content: document },
        ...Array.from({ length: turns }, (_, i) => ({
          role: i % 2 === 0 ? 'assistant' : 'user',
          content: rest.slice(i * length, (i + 1) * length),
        })),
      ],
    },
    response: { id: `answer-${n}`, finish: 'stop', usage: { prompt: text.length >> 2, completion: 100 + n } },
  };
}

/** Conversations of about `length` characters each, from all of a text. @param {string} text @param {number} length */
export function conversations(text, length) {
  const count = Math.floor(text.length / length);
  return Array.from({ length: count }, (_, n) => conversation(text.slice(n * length, (n + 1) * length), n));
}

/** The log of a talk about a text: each call of the model sends what was said before. @param {string} text @param {number} n @param {number} calls */
function log(text, n, calls) {
  const length = Math.ceil(text.length / calls / 2);
  const messages = Array.from({ length: calls * 2 }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content: text.slice(i * length, (i + 1) * length),
  }));
  const made = Array.from({ length: calls }, (_, call) => ({
    id: `call-${n}-${call}`,
    model: 'a-language-model-1',
    messages: [{ role: 'system', content: instructions }, ...messages.slice(0, call * 2 + 1)],
    answer: messages[call * 2 + 1],
  }));
  // As it is read from a file: what occurs twice is not one object, which would be stored once.
  return JSON.parse(JSON.stringify(made));
}

/** Logs of about `length` characters each, from all of a text. @param {string} text @param {number} length */
export function logs(text, length) {
  const calls = Math.max(2, Math.round(Math.sqrt(length / 1000)));
  // Of what is said last there is one copy, of what was said first one for each call.
  const part = Math.floor(length / ((calls + 1) / 2 + 0.5));
  const count = Math.floor(text.length / part);
  return Array.from({ length: count }, (_, n) => log(text.slice(n * part, (n + 1) * part), n, calls));
}
