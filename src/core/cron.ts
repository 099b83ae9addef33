import { Cron } from 'croner';
import { shown } from './options.js';

/** Moments that come again and again, in milliseconds: those of a cron expression since 1970. */
export interface Ticks {
  /** The first one after a time; null when none comes any more. */
  after(time: number): number | null;
  /** The last one up to a time; null when there is none. */
  upTo(time: number): number | null;
}

/** Reads a cron expression. @throws `RangeError` when it can't be read, or there is no such time zone. */
export function cronTicks(expression: string, timezone: string): Ticks {
  // Newer versions of Node take offsets for time zones, older ones don't: all processes must understand it.
  if (!/^[a-z]/i.test(timezone) || !isZone(timezone))
    throw new RangeError(`timezone must be an IANA name such as 'Europe/Berlin', not ${shown(timezone)}`);
  const cron = parsed(expression, timezone);
  return {
    after: (time) => cron.nextRun(new Date(time))?.getTime() ?? null,
    upTo: (time) => cron.previousRuns(1, new Date(time + 1))[0]?.getTime() ?? null,
  };
}

function parsed(expression: string, timezone: string): Cron {
  const cannot = `cron can’t be read: ${shown(expression)}`;
  // The library would take it for one moment.
  if (expression.includes(':')) throw new RangeError(`${cannot}: it is no cron expression`);
  try {
    // As in Vixie's cron, a time that is named, be it in a list, is not left out where the clocks are set forward.
    return new Cron(expression, { timezone, fixedTimeRule: 'no-wildcard' });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RangeError(`${cannot}: ${why.replace(/^CronPattern: /, '')}`, { cause: error });
  }
}

function isZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
