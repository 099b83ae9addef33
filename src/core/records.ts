/** The same names, with what `map` makes of each value. */
export function mapValues<N extends string, A, B>(
  record: Readonly<Record<N, A>>,
  map: (value: A, name: N) => B,
): Record<N, B> {
  const entries = Object.entries(record) as [N, A][];
  return Object.fromEntries(entries.map(([name, value]) => [name, map(value, name)])) as Record<N, B>;
}
