/**
 * What has been used up of a limit, at a moment.
 *
 * By the rule of GCRA, `used` is a debt that time pays off. By those of windows it counts what was taken in the window that began `phase`
 * milliseconds ago, and `previous` what was taken in the window before it; a window that begins in the future (its `phase` is negative) is one
 * in which somebody who waits has a place.
 */
export interface Usage {
  readonly used: number;
  readonly previous: number;
  readonly phase: number;
}

/** Nothing has been used. */
export const unused: Usage = { used: 0, previous: 0, phase: 0 };

/** A place in what is to come: in how many milliseconds it is one's turn (0: now), and what has been used up with it. */
export interface Place {
  readonly delay: number;
  readonly usage: Usage;
}

/** How a limit counts. Pure functions: all times are milliseconds, and none asks for the time. */
export interface Rule {
  /** After that time has passed. */
  after(usage: Usage, elapsed: number): Usage;
  /** The next place for `cost`, behind all that were given. */
  place(usage: Usage, cost: number): Place;
  /** With `cost` given back. */
  refund(usage: Usage, cost: number): Usage;
  /** With `cost` used up, be it more than there is. */
  penalize(usage: Usage, cost: number): Usage;
  /** With no place before that time. */
  block(usage: Usage, time: number): Usage;
  /** How much can be taken now. */
  remaining(usage: Usage): number;
  /** In how much time all of it can be taken. */
  untilUnused(usage: Usage): number;
  /** What is stored is as good as nothing when `elapsed + phase * idle.phase >= used * idle.used + idle.time`. */
  readonly idle: { readonly phase: number; readonly used: number; readonly time: number };
}

/**
 * What rounding may add up to. A place is never late for its sake: without, who comes back exactly when told to could be a billionth of
 * a millisecond early. It is not carried over, so it never adds up.
 */
export const slack = 1e-6;

const whole = (amount: number): number => Math.max(0, Math.floor(amount + slack));

/** The Generic Cell Rate Algorithm, as a bucket that leaks. @param rate - What time pays off in a millisecond. */
export function gcra(rate: number, burst: number): Rule {
  const delayOf = (debt: number): number => (debt <= burst + slack ? 0 : (debt - burst) / rate);
  const owing = (debt: number): Usage => ({ ...unused, used: Math.max(0, debt) });
  return {
    after: ({ used }, elapsed) => owing(used - elapsed * rate),
    place: ({ used }, cost) => ({ delay: delayOf(used + cost), usage: owing(used + cost) }),
    refund: ({ used }, cost) => owing(used - cost),
    penalize: ({ used }, cost) => owing(used + cost),
    block: ({ used }, time) => owing(Math.max(used, burst - 1 + time * rate)),
    remaining: ({ used }) => whole(burst - used),
    untilUnused: ({ used }) => used / rate,
    idle: { phase: 0, used: 1 / rate, time: 0 },
  };
}

/** What both kinds of windows have in common. A window begins with the first take after the one before has ended. */
function windows(
  span: number,
  after: Rule['after'],
  delayWithin: (usage: Usage) => number,
  most: number,
): Pick<Rule, 'after' | 'place' | 'penalize' | 'block'> {
  return {
    after,
    place(usage, cost) {
      const next =
        usage.used + cost <= most
          ? { ...usage, used: usage.used + cost }
          : { used: cost, previous: usage.used, phase: usage.phase - span };
      const delay = Math.max(0, delayWithin(next)) - next.phase;
      return { delay: delay <= slack ? 0 : delay, usage: next };
    },
    penalize: (usage, cost) => ({ ...usage, used: usage.used + cost }),
    // What was used by then goes on counting: to block a key must not give it anything.
    block: (usage, time) => (usage.phase <= -time ? usage : { ...after(usage, time), phase: -time }),
  };
}

/** So much in each window. */
export function fixedWindow(limit: number, span: number): Rule {
  return {
    ...windows(
      span,
      (usage, elapsed) => {
        const phase = usage.phase + elapsed;
        return phase < span - slack ? { ...usage, phase } : unused;
      },
      () => 0,
      limit,
    ),
    refund: (usage, cost) => ({ ...usage, used: Math.max(0, usage.used - cost) }),
    remaining: ({ used, phase }) => (phase < 0 ? 0 : whole(limit - used)),
    untilUnused: ({ used, phase }) => (used > 0 || phase < 0 ? span - phase : 0),
    idle: { phase: 1, used: 0, time: span },
  };
}

/** So much in any window, as two windows estimate it: what was taken in the one before counts for the share of it that is still in sight. */
export function slidingWindow(limit: number, span: number): Rule {
  const slide = (usage: Usage, elapsed: number): Usage => {
    const phase = usage.phase + elapsed;
    if (phase < span - slack) return { ...usage, phase };
    if (phase >= 2 * span - slack) return unused;
    return { used: 0, previous: usage.used, phase: Math.max(0, phase - span) };
  };
  /** How far into its window the estimate comes down to the limit. */
  const untilWithin = ({ used, previous }: Usage): number =>
    previous === 0 ? 0 : span * (1 - (limit - used) / previous);
  return {
    ...windows(span, slide, untilWithin, limit),
    refund: ({ used, previous, phase }, cost) => ({
      used: Math.max(0, used - cost),
      previous: Math.max(0, previous - Math.max(0, cost - used)),
      phase,
    }),
    remaining: ({ used, previous, phase }) =>
      phase < 0 ? 0 : whole(limit - used - previous * (1 - phase / span)),
    untilUnused: ({ used, previous, phase }) =>
      used > 0 || phase < 0 ? 2 * span - phase : previous > 0 ? span - phase : 0,
    idle: { phase: 1, used: 0, time: 2 * span },
  };
}

export const algorithms = ['gcra', 'sliding-window', 'fixed-window'] as const;

/** A limit: so much in each `per` milliseconds, counted in one of these ways. */
export interface Limits {
  readonly limit: number;
  readonly per: number;
  readonly burst: number;
  readonly algorithm: (typeof algorithms)[number];
}

export function ruleOf({ algorithm, limit, per, burst }: Limits): Rule {
  if (algorithm === 'gcra') return gcra(limit / per, burst);
  return algorithm === 'fixed-window' ? fixedWindow(limit, per) : slidingWindow(limit, per);
}
