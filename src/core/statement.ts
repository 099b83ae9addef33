/** What may be bound to a placeholder. */
export type Value = null | number | bigint | string | Uint8Array;

/** A row, as its columns in order. */
export type Row = readonly unknown[];

/** Particulars of a {@link Statement}. */
export interface StatementOptions {
  readonly exclusive?: boolean;
  readonly bigints?: boolean;
  /**
   * What it is for many rows of parameters at once, on PostgreSQL: each placeholder is an array, with a column of all rows. Without it, `each`
   * can't be asked.
   */
  readonly many?: string;
  /**
   * What its row is on SQLite, where the text has no RETURNING (which would cost 9 µs): the number of the row that it has added, and what it has given to
   * the function `seen`, if it has; or those of its parameters, where it has changed a row. On PostgreSQL the text returns the same.
   */
  readonly answers?: 'rowid' | readonly number[];
}

/**
 * SQL known by identity: a store prepares it once, at first use.
 *
 * Placeholders are written `?`, never `?1`: better-sqlite3 takes those for names. A number is bound as REAL on SQLite: where
 * it takes part in integer arithmetic beyond 2⁵³, write `CAST(? AS bigint)`.
 *
 * The time is asked for inside the statement, when it has its locks: `monotonic()` and `wall()` are milliseconds, `boot()` names what the
 * former compares under (see {@link Clock}). On PostgreSQL all time is the server's, and there is one boot.
 */
export class Statement<P extends readonly Value[] = readonly Value[], R extends Row = Row> {
  static #count = 0;

  readonly id: number = Statement.#count++;
  readonly sqlite: string;
  readonly postgres: string;
  /** The text for many rows of parameters on PostgreSQL. */
  readonly many: string | undefined;
  /** The same for {@link batchSize} rows on SQLite, which takes half as long: where it adds a row of values, and answers with its number. */
  readonly batch: string | undefined;
  /** What its row is on SQLite, where it returns none. */
  readonly answers: 'rowid' | readonly number[] | undefined;
  /** Whether it only reads. */
  readonly reads: boolean;
  /** Whether it needs the structure to itself on PostgreSQL, where the statements of `quick` else run side by side. */
  readonly exclusive: boolean;
  /** Whether integers are read as bigints (SQLite only): where a column holds keys. */
  readonly bigints: boolean;
  declare readonly params: P;
  declare readonly row: R;

  /**
   * @param sqlite - The text for both engines.
   * @param postgres - A text of its own for PostgreSQL, only where the two must differ.
   */
  constructor(
    sqlite: string,
    postgres: string | undefined = sqlite,
    { exclusive = false, bigints = false, many, answers }: StatementOptions = {},
  ) {
    this.sqlite = inSqlite(sqlite);
    this.postgres = inPostgres(postgres);
    this.many = many && inPostgres(many);
    this.exclusive = exclusive;
    this.bigints = bigints;
    this.answers = answers;
    this.batch = answers === 'rowid' ? batched(this.sqlite) : undefined;
    this.reads = /^\s*SELECT\b/i.test(sqlite);
  }
}

/** Behind the name of a column: whether it is one of the numbers that are given as a JSON array. */
export const listed = {
  sqlite: 'IN (SELECT value FROM json_each(?))',
  postgres: '= ANY(ARRAY(SELECT jsonb_array_elements_text(CAST(? AS jsonb))::bigint))',
} as const;

/** How many rows SQLite is given at once. With 32 it is no faster. */
export const batchSize = 16;

function batched(text: string): string | undefined {
  const [, row] = / VALUES (\(.+\))$/s.exec(text) ?? [];
  return row && text + `, ${row}`.repeat(batchSize - 1);
}

/** SQLite takes a number bound to a bare LIMIT into account when it plans, and so would plan anew for each call: ten times slower, measured. */
function inSqlite(text: string): string {
  return text.replace(/\bLIMIT \?/g, 'LIMIT CAST(? AS bigint)');
}

function inPostgres(text: string): string {
  let n = 0;
  return text
    .replace(/\?/g, () => `$${++n}`)
    .replace(
      /\b(monotonic|wall)\(\)/g,
      'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS double precision)',
    )
    .replace(/\bboot\(\)/g, "''");
}
