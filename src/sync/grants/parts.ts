import { boolean, knownKeys } from '../../core/options.js';
import { scopeOf, type Kind, type ScopeOptions, type StoreOf } from '../../core/store.js';
import { followContexts, type Subject } from './context.js';
import type { HoldingParts } from './holding.js';
import { resolveLease, type GrantingOptions } from './options.js';

/** What everything that gives out grants is made of, from what its user gave. */
export interface Granting<S extends Kind> extends HoldingParts<S> {
  readonly subject: Subject;
}

/** @param known - The options that it has besides those of all. */
export function granting<S extends Kind>(
  store: StoreOf<S>,
  what: string,
  ref: Pick<ScopeOptions, 'kind' | 'name' | 'setup'>,
  options: GrantingOptions,
  known: readonly string[] = [],
): Granting<S> {
  knownKeys(`options of ${what}`, options, ['lease', 'fair', ...known]);
  const { fair = false } = options;
  boolean('fair', fair);
  followContexts();
  const scope = scopeOf(store, { ...ref, places: false });
  const lease = resolveLease(scope.kind, options.lease);
  return { scope, fair, lease, subject: { store, kind: ref.kind, name: ref.name } };
}
