import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const example = fileURLToPath(new URL('../../examples/rate-limited-workers/main.js', import.meta.url));

/** The example resolves `holdfast` to the built package. */
const run = (...args: string[]) => promisify(execFile)(process.execPath, [example, ...args]);

test('workers keep to the limits of a service, also when the one that leads is killed', async () => {
  const { stdout } = await run('--workers=4', '--requests=150');
  const [, served, second, once] =
    /answered (\d+) requests: at most (\d+) in any second, at most (\d+) at once/.exec(stdout) ?? [];
  // What the killed worker had under way is done again.
  expect(Number(served)).toBeGreaterThanOrEqual(150);
  expect(Number(second)).toBeLessThanOrEqual(50);
  expect(Number(once)).toBeLessThanOrEqual(5);
  expect(stdout).toMatch(/Killed worker \d+, which was the leader/);
  const [, leaders = ''] =
    /The log has 150 lines, one for each request, by leaders ([\d, ]+)\./.exec(stdout) ?? [];
  expect(leaders.split(', ').length).toBeGreaterThanOrEqual(2);
});

test('one worker alone that is killed is replaced', async () => {
  const { stdout } = await run('--workers=1', '--requests=20');
  expect(stdout).toMatch(/The log has 20 lines, one for each request/);
});

test('numbers that make no sense are refused, with what would', async () => {
  await expect(run('--workers=0')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/0 is no whole number from 1 to 64[^]*Usage:/) as string,
  });
  await expect(run('--wokers=2')).rejects.toMatchObject({ code: 2 });
});
