import type { Kind } from '../../core/store.js';
import type { Handling } from './job.js';

/** What runs the jobs of a worker. */
export interface Runner<S extends Kind> {
  readonly run: Handling<S>;
  /** Comes before the first job; if it rejects there will be none. What fails later, and is no job's fault, is reported. */
  open?(report: (error: unknown) => void): Promise<void>;
  /** Comes after the last job. */
  close?(): Promise<void>;
}
