// What must and must not compile of schedules. Checked by `npm run check`; never run.
import { expectTypeOf } from 'vitest';
import { Queue, type AsyncStore, type ScheduleInfo, type Store } from 'holdfast';

interface Mail {
  readonly to: string;
}

declare const store: Store;
declare const server: AsyncStore;
const data: Mail = { to: 'ada' };

const mails = new Queue<Mail>(store, 'mails');
const theirMails = new Queue<Mail>(server, 'mails');
mails.schedule('daily', { cron: '0 9 * * *', timezone: 'Europe/Berlin', data });
expectTypeOf(mails.schedule).returns.toBeVoid();
expectTypeOf(theirMails.schedule('often', { every: '10m', overlap: 'skip', data })).toEqualTypeOf<
  Promise<void>
>();
expectTypeOf(mails.unschedule('daily')).toEqualTypeOf<boolean>();
expectTypeOf(mails.schedules()).toEqualTypeOf<ScheduleInfo<Mail>[]>();
expectTypeOf(theirMails.schedules()).toEqualTypeOf<Promise<ScheduleInfo<Mail>[]>>();
mails.work(({ scheduledFor }) => {
  expectTypeOf(scheduledFor).toEqualTypeOf<Date | undefined>();
});

// @ts-expect-error neither cron nor every
mails.schedule('never', { data });
// @ts-expect-error cron and every
mails.schedule('both', { cron: '0 9 * * *', every: '1h', data });
// @ts-expect-error a period has no time zone
mails.schedule('zone', { every: '1h', timezone: 'UTC', data });
// @ts-expect-error data of another type
mails.schedule('other', { every: '1h', data: { too: 'ada' } });
// @ts-expect-error data are needed
mails.schedule('none', { every: '1h' });
// @ts-expect-error a duration needs a unit
mails.schedule('unit', { every: '5', data });
// @ts-expect-error what is stored is no function
mails.schedule('backoff', { every: '1h', backoff: () => 5, data });
// @ts-expect-error its ticks are its times
mails.schedule('delay', { every: '1h', delay: '5s', data });
