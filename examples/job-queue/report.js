// @ts-check
/** @import { Site } from './site.js' */

/**
 * Has a line said each second of how far the pages are, once, however many processes work.
 *
 * @param {Site} site
 * @param {(line: string) => void} say
 * @returns What ends it.
 */
export function startReports(site, say) {
  site.reports.schedule('report', { every: '1s', missed: 'skip', overlap: 'skip', data: null });
  const worker = site.reports.work(() => {
    const { waiting, delayed, running } = site.counts();
    say(`Report: ${running} pages under way, ${delayed} to be tried again, ${waiting} waiting.`);
  });
  return async () => {
    site.reports.unschedule('report');
    await worker.stop();
  };
}
