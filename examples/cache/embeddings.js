// @ts-check
// Embeddings, kept as half floats: `node embeddings.js [what you look for]`. Nothing is embedded twice, and what is kept takes a tenth
// of what it would as JSON.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Cache, float16, json, open } from 'holdfast';

const { 2: question = 'how do seaweeds cling to the rocks?' } = process.argv;
const sentences = [
  'A holdfast is how seaweed clings to a rock.',
  'Limpets return to the same spot on the rock after each meal.',
  'Barnacles glue themselves to the stone by their heads.',
  'Sea otters wrap themselves in kelp so as not to drift away while they sleep.',
  'Mussels spin threads that stick even under water.',
  'The tide comes in twice a day, fifty minutes later every day.',
  'Dulse is eaten dried, from a paper bag, like crisps.',
  'Lighthouses flash each in its own rhythm, so that ships can tell them apart.',
  'An anchor holds by the weight of its chain as much as by its flukes.',
  'Herring gulls drop shells from a height to open them.',
];

const calls = { count: 0 };
/** Stands for the model: 1024 numbers, alike for texts that have letters in common. @param {string} text */
async function embed(text) {
  calls.count++;
  await sleep(20);
  const vector = new Float32Array(1024);
  for (const word of text.toLowerCase().match(/\w+/g) ?? [])
    for (let i = 0; i < word.length - 2; i++) {
      const letters = crc32(word.slice(i, i + 3));
      for (const d of vector.keys()) vector[d] = (vector[d] ?? 0) + Math.sin(letters * (d + 1));
    }
  const length = Math.hypot(...vector);
  return vector.map((number) => number / length);
}

/** @param {Float32Array} a @param {Float32Array} b */
const cosine = (a, b) =>
  a.reduce((sum, number, d) => sum + number * (b[d] ?? 0), 0) / Math.hypot(...a) / Math.hypot(...b);

const directory = mkdtempSync(join(tmpdir(), 'embeddings-'));
const store = open(directory);
try {
  /** @type {Cache<Float32Array>} */
  const embeddings = new Cache(store, 'embeddings', { codec: float16() });
  const embedding = embeddings.memoize(embed);

  for (const round of ['First', 'Again']) {
    calls.count = 0;
    const wanted = await embedding(question);
    const found = await Promise.all(
      sentences.map(async (text) => ({ text, likeness: cosine(wanted, await embedding(text)) })),
    );
    found.sort((a, b) => b.likeness - a.likeness);
    console.log(`${round}: "${question}" is like these (${calls.count} calls of the model)`);
    for (const { text, likeness } of found.slice(0, 3)) console.log(`  ${likeness.toFixed(3)} ${text}`);
  }

  // What they would take otherwise, and what it costs to halve their numbers.
  const inFull = new Cache(store, 'as Float32Array');
  const asJson = new Cache(store, 'as JSON', { codec: json() });
  const lost = [];
  for (const text of [question, ...sentences]) {
    const exact = await embed(text);
    inFull.set(text, exact);
    asJson.set(text, [...exact]);
    lost.push(1 - cosine(exact, await embedding(text)));
  }
  const took = (/** @type {number} */ bytes) => `${Math.round(bytes / embeddings.size)} bytes`;
  console.log(
    `An embedding takes ${took(embeddings.bytes)}, not ${took(inFull.bytes)}; as JSON it would be ${took(asJson.bytes)}.`,
  );
  console.log(
    `Its numbers have half the digits, and its likeness to what it was is ${(1 - Math.max(...lost)).toFixed(9)}.`,
  );
} finally {
  store.close();
  rmSync(directory, { recursive: true, force: true });
}
