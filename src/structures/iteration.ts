import { boolean, knownKeys } from '../core/options.js';

/** Options of iteration. */
export interface IterationOptions {
  /** From the end to the start. @defaultValue `false` */
  readonly reverse?: boolean;
}

/** Whether iteration goes in reverse. */
export function resolveReverse(options: IterationOptions = {}): boolean {
  knownKeys('options of iteration', options, ['reverse']);
  const { reverse = false } = options;
  boolean('reverse', reverse);
  return reverse;
}
