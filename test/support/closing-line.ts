import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Ends the output of a run with `N passed, N failed` on a line of its own. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0;
    // An error outside every test is a failure too, as is a file or a `describe` that could not be set up.
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        // A test still pending when the run ends was interrupted.
        else if (state !== 'skipped') failed++;
      }
    }
    // Nothing was run: the set-up before all tests failed, or there are none.
    if (modules.length === 0) failed++;
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  }
}
