/** An error as it is stored: nothing in it that can't be. */
export interface StoredError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly cause?: StoredError;
}

/** How many causes are stored, of which each may have one. */
const mostCauses = 8;
/** What is stored of a text, in characters. */
const longest = 20_000;

const cut = (text: unknown): string => String(text).slice(0, longest);

/** What was thrown, in a form that can be stored whatever it is. */
export function storedError(thrown: unknown, depth = 0): StoredError {
  try {
    if (!(thrown instanceof Error)) return { name: 'Error', message: cut(thrown) };
    const { name, message, stack, cause } = thrown;
    const code: unknown = 'code' in thrown ? thrown.code : undefined;
    return {
      name: cut(name),
      message: cut(message),
      ...(stack === undefined ? {} : { stack: cut(stack) }),
      ...(typeof code === 'string' ? { code } : {}),
      ...(cause === undefined || depth === mostCauses ? {} : { cause: storedError(cause, depth + 1) }),
    };
  } catch {
    // A getter that throws, or a text that can't be made.
    return { name: 'Error', message: 'what was thrown can’t be shown' };
  }
}

/** The error again. It is an `Error` whatever its class was: tell it by its `name` or `code`. */
export function revivedError({ name, message, stack, code, cause }: StoredError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: revivedError(cause) });
  for (const [key, value] of Object.entries({ name, stack, code })) {
    if (value !== undefined) Object.defineProperty(error, key, { value, writable: true, configurable: true });
  }
  return error;
}
