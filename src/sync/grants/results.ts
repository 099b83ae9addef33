/** Calls `ended` once the result of `work` is there, or has failed: now, or later where it is a promise. */
export function whenEnded<R>(work: () => R, ended: (failed: boolean) => void): R {
  let result: R;
  try {
    result = work();
  } catch (error) {
    ended(true);
    throw error;
  }
  if (result instanceof Promise) {
    return result.then(
      (value: unknown) => {
        ended(false);
        return value;
      },
      (error: unknown) => {
        ended(true);
        throw error;
      },
    ) as R;
  }
  ended(false);
  return result;
}
