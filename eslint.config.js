import { existsSync, readdirSync } from 'node:fs';
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The drivers, and why a file may not name them. */
const sqliteDriver = {
  regex: '^better-sqlite3$',
  message: 'Only src/core/sqlite*.ts and src/core/owner*.ts know this driver.',
};
const postgresDriver = {
  regex: '^pg(-|/|$)',
  message: 'Only src/core/postgres*.ts and src/postgres.ts know this driver.',
};

/** A later configuration of a rule replaces an earlier one, so each group of files gets its whole list. */
const imports = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

const inCore = {
  regex: '(^|/)(structures|sync)(/|$)|^\\.\\./(index|postgres)\\.js$',
  message: 'The arrows point one way: core knows no structure.',
};

/** What several of a folder share: what gives out grants, and what keeps totals. */
const shared = { structures: '', sync: '|SHARED/(?:grants|totals)/' };
const sharedFrom = (folder, path) => shared[folder].replace('SHARED', path);

/** A structure imports core. When it outgrows its file, `queue.ts` may be joined by a folder `queue/`. */
const structures = ['structures', 'sync']
  .filter((folder) => existsSync(new URL(`./src/${folder}/`, import.meta.url)))
  .flatMap((folder) =>
    readdirSync(new URL(`./src/${folder}/`, import.meta.url))
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -'.ts'.length))
      .flatMap((name) => [
        {
          files: [`src/${folder}/${name}.ts`],
          rules: imports({
            regex: `^(?!\\.\\./core/|\\./${name}/${sharedFrom(folder, '\\.')})`,
            message: `Only ../core/…, ./${name}/… and what is shared, in sync ./grants/… and ./totals/…, may be imported here.`,
          }),
        },
        {
          files: [`src/${folder}/${name}/**/*.ts`],
          rules: imports({
            regex: `^(?!\\.\\./\\.\\./core/|\\./|\\.\\./${name}\\.js$${sharedFrom(folder, '\\.\\.')})`,
            message: `Only ../../core/…, ./… and what is shared, in sync ../grants/… and ../totals/…, may be imported here.`,
          }),
        },
      ]),
  );

const sharedFiles = {
  files: ['src/sync/grants/*.ts', 'src/sync/totals/*.ts'],
  rules: imports({
    regex: '^(?!\\.\\./\\.\\./core/|\\./|node:async_hooks$)',
    message: 'Only ../../core/… and ./… may be imported here.',
  }),
};

export default defineConfig(
  globalIgnores(['dist/', 'docs/api/', 'coverage/', 'benchmark/node_modules/', 'test/package/consumer/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ['error', 'always'],
      'prefer-const': 'error',
      // A script may have nothing to ask.
      'require-yield': 'off',
      // `async` without `await` is how a method of the server kind rejects instead of throwing.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      // The public interface of each kind of store is its shared class under another name.
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: false },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      ...imports(sqliteDriver, postgresDriver),
      'no-console': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: false, skipComments: false }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: false, skipComments: false }],
    },
  },
  { files: ['src/core/**/*.ts'], rules: imports(sqliteDriver, postgresDriver, inCore) },
  {
    files: ['src/core/sqlite*.ts', 'src/core/owner*.ts'],
    rules: imports(postgresDriver, inCore),
  },
  { files: ['src/core/postgres*.ts'], rules: imports(sqliteDriver, inCore) },
  { files: ['src/postgres.ts'], rules: imports(sqliteDriver) },
  ...structures,
  {
    // Where jobs run in threads: nothing else in structures is made of more than the store.
    files: ['src/structures/queue/thread*.ts'],
    rules: imports({
      regex: '^(?!\\.\\./\\.\\./core/|\\./|piscina$|node:(worker_threads|os)$)',
      message: 'Only ../../core/…, ./…, piscina and what it takes may be imported here.',
    }),
  },
  sharedFiles,
  {
    files: ['src/structures/**/*.ts', 'src/sync/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ExpressionStatement > CallExpression[callee.name=/^(get|all|run)$/]',
          message: 'A step does nothing until it is yielded.',
        },
        { selector: 'YieldExpression[delegate=false]', message: 'Use `yield*`.' },
      ],
    },
  },
  {
    files: ['test/**', 'examples/**', 'benchmark/**'],
    rules: {
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['test/**'],
    rules: {
      // The suite of behaviours awaits what is a promise on one engine and a plain value on the other.
      '@typescript-eslint/await-thenable': 'off',
      // Tests of refusal pass on purpose what the types forbid.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'AbortController',
          'AbortSignal',
          'Buffer',
          'URL',
          'clearInterval',
          'clearTimeout',
          'console',
          'fetch',
          'performance',
          'process',
          'queueMicrotask',
          'setImmediate',
          'setInterval',
          'setTimeout',
          'structuredClone',
          'TextDecoder',
          'TextEncoder',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
);
