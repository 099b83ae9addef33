// @ts-check
import { defineConfig } from 'rolldown';

// One file to load in place of two hundred: that is most of the time an import of the package takes.
export default defineConfig({
  input: {
    index: 'src/index.ts',
    postgres: 'src/postgres.ts',
    'express-rate-limit': 'src/express-rate-limit.ts',
    thread: 'src/structures/queue/thread.ts',
  },
  platform: 'node',
  external: /^[^./]/,
  transform: { target: 'es2023' },
  output: { dir: 'dist', chunkFileNames: 'shared-[name].js', sourcemap: true },
});
