import { channel } from 'node:diagnostics_channel';

/** What happens in this process, for those who subscribe to a diagnostics channel. */
export interface Tracing<T> {
  /** Whether anybody does. */
  readonly isOn: () => boolean;
  readonly publish: (message: T) => void;
}

export function tracingOf<T>(name: string): Tracing<T> {
  const traced = channel(name);
  return { isOn: () => traced.hasSubscribers, publish: (message) => traced.publish(message) };
}
