import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  plugins: [
    {
      // A thread runs JavaScript only: from here it is the built file, as for child processes.
      name: 'built-thread',
      enforce: 'pre',
      transform: (code, id) =>
        id.endsWith('/src/structures/queue/threads.ts')
          ? code.replace(`new URL('./thread.js'`, `new URL('../../../dist/thread.js'`)
          : undefined,
    },
  ],
  resolve: {
    alias: [
      { find: /^holdfast$/, replacement: path('./src/index.ts') },
      { find: /^holdfast\/express-rate-limit$/, replacement: path('./src/express-rate-limit.ts') },
      { find: /^holdfast\/postgres$/, replacement: path('./src/postgres.ts') },
    ],
  },
  // Node 20 has no `using`.
  oxc: { target: 'es2023' },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts', 'test/support/postgres.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Many wait for timers and for processes of their own; more at once only slow each other on two processors.
    maxWorkers: 3,
  },
});
