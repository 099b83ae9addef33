import { describe, expect, test } from 'vitest';
import { Queue, type ScheduleOptions } from '../../src/index.js';
import { until } from './helpers.js';
import { Machine } from './machine.js';
import { hour, minute, second } from './schedules.js';

const day = 24 * hour;

/** A machine at that moment, with schedules by name, and what they have added. */
class Workshop {
  readonly machine = new Machine();
  #queue: Queue<string>;
  #ticks: [name: string, tick: Date][] = [];

  constructor(start: string) {
    this.set(start);
    this.#queue = this.#open();
    this.#work();
  }

  set(moment: string): void {
    this.machine.offset = Date.parse(moment) - this.machine.now;
  }

  schedule(name: string, options: Partial<ScheduleOptions<string>>): void {
    this.#queue.schedule(name, { ...options, data: name });
  }

  info(name: string) {
    return this.#queue.schedules().find((one) => one.name === name)!;
  }

  /** Lets time pass until that moment, and what is due by then be done; gives back the ticks that were fired, by now, of that name. */
  async upTo(moment: string, name = 's'): Promise<string[]> {
    const { machine } = this;
    machine.now += Date.parse(moment) - machine.wall();
    await this.done();
    return this.fired(name);
  }

  /** What is due has been done: what is stored now comes behind it. */
  async done(): Promise<void> {
    this.schedule('probe', { every: '1s' });
    this.machine.now += second;
    // Rings.
    this.#queue.add('');
    await until(() => this.info('probe').nextAt!.getTime() > this.machine.wall());
    await this.#queue.idle();
    this.#queue.unschedule('probe');
  }

  /** The ticks that were fired since this was asked last. */
  fired(name = 's'): string[] {
    const fired = this.#ticks.filter(([one]) => one === name).map(([, tick]) => tick.toISOString());
    this.#ticks = this.#ticks.filter(([one]) => one !== name);
    return fired.map((tick) => tick.replace(/(:00)?\.000Z$/, ''));
  }

  /** The process ends, that happens, and another begins. */
  restart(meanwhile: () => void): void {
    this.#store.close();
    meanwhile();
    this.#queue = this.#open();
    this.#work();
  }

  #store!: ReturnType<Machine['open']>;

  #open(): Queue<string> {
    this.#store = this.machine.open();
    return new Queue<string>(this.#store, 'jobs');
  }

  #work(): void {
    this.#queue.work(({ data, scheduledFor }) => {
      if (scheduledFor !== undefined) this.#ticks.push([data, scheduledFor]);
    });
  }
}

describe('where the clocks are set forward', () => {
  const fired = async (cron: string, timezone = 'Europe/Berlin') => {
    // At 02:00 of the 29th it becomes 03:00 in Berlin: at 01:00 of UTC.
    const workshop = new Workshop('2026-03-28T23:45Z');
    workshop.schedule('s', { cron, timezone, missed: 'all' });
    return workshop.upTo('2026-03-30T01:45Z');
  };

  test('a time that does not exist comes right after the gap, once', async () => {
    expect(await fired('30 2 * * *')).toEqual(['2026-03-29T01:00', '2026-03-30T00:30']);
    expect(await fired('0,30 2 * * *')).toEqual(['2026-03-29T01:00', '2026-03-30T00:00', '2026-03-30T00:30']);
    expect(await fired('30 2,14 * * *')).toEqual([
      '2026-03-29T01:00',
      '2026-03-29T12:30',
      '2026-03-30T00:30',
    ]);
  });

  test('what comes in steps leaves the gap out', async () => {
    expect(await fired('*/30 2 * * *')).toEqual(['2026-03-30T00:00', '2026-03-30T00:30']);
    const hourly = await fired('30 * * * *');
    expect(hourly.slice(0, 3)).toEqual(['2026-03-29T00:30', '2026-03-29T01:30', '2026-03-29T02:30']);
    expect(hourly).toHaveLength(26);
  });

  test('other time zones do not mind', async () => {
    expect(await fired('30 1,2 * * *', 'UTC')).toEqual([
      '2026-03-29T01:30',
      '2026-03-29T02:30',
      '2026-03-30T01:30',
    ]);
  });
});

describe('where the clocks are set back', () => {
  const fired = async (cron: string, timezone = 'Europe/Berlin') => {
    // At 03:00 of the 25th it becomes 02:00 in Berlin: at 01:00 of UTC.
    const workshop = new Workshop('2026-10-24T23:45Z');
    workshop.schedule('s', { cron, timezone, missed: 'all' });
    return workshop.upTo('2026-10-26T01:45Z');
  };

  test('a time that comes twice counts the first time', async () => {
    expect(await fired('30 2 * * *')).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
    expect(await fired('30 2,3 * * *')).toEqual(['2026-10-25T00:30', '2026-10-25T02:30', '2026-10-26T01:30']);
  });

  test('what comes in steps goes on through the hour that comes twice', async () => {
    expect((await fired('*/30 2 * * *')).slice(0, 4)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
    ]);
    expect(await fired('30 * * * *')).toHaveLength(26);
  });

  test('a worker that begins anew in between fires nothing twice', async () => {
    const workshop = new Workshop('2026-10-24T23:45Z');
    workshop.schedule('s', { cron: '30 2 * * *', timezone: 'Europe/Berlin' });
    workshop.schedule('hourly', { cron: '30 * * * *', timezone: 'Europe/Berlin' });
    const ticks: string[] = [];
    for (const time of ['00:30', '00:45', '01:15', '01:30', '01:45', '02:30']) {
      ticks.push(...(await workshop.upTo(`2026-10-25T${time}Z`)));
      workshop.restart(() => {});
    }
    expect(ticks).toEqual(['2026-10-25T00:30']);
    expect(workshop.fired('hourly')).toEqual(['2026-10-25T00:30', '2026-10-25T01:30', '2026-10-25T02:30']);
  });
});

test('a wall clock that is set forward by an hour passes over ticks of cron, and moves no period', async () => {
  const workshop = new Workshop('2026-01-01T10:00Z');
  workshop.schedule('s', { cron: '*/10 * * * *' });
  workshop.schedule('once', { cron: '*/10 * * * *', missed: 'once' });
  workshop.schedule('every', { every: '10m' });
  expect(await workshop.upTo('2026-01-01T10:10:30Z')).toEqual(['2026-01-01T10:10']);
  workshop.machine.offset += hour + 5 * minute;
  await workshop.done();
  expect(workshop.fired()).toEqual([]);
  expect(workshop.fired('once')).toEqual(['2026-01-01T10:10', '2026-01-01T11:10']);
  expect(workshop.fired('every')).toEqual(['2026-01-01T10:10']);
  expect(await workshop.upTo('2026-01-01T11:20:30Z')).toEqual(['2026-01-01T11:20']);
  expect(await workshop.upTo('2026-01-01T11:25:30Z', 'every')).toEqual(['2026-01-01T11:25']);
});

test('a wall clock that is set back by an hour fires no tick of cron twice, and holds up no period', async () => {
  const workshop = new Workshop('2026-01-01T10:00Z');
  workshop.schedule('s', { cron: '*/10 * * * *', missed: 'all' });
  workshop.schedule('every', { every: '10m' });
  expect(await workshop.upTo('2026-01-01T10:10:30Z')).toEqual(['2026-01-01T10:10']);
  workshop.fired('every');
  workshop.machine.offset -= hour;
  expect(await workshop.upTo('2026-01-01T09:20:30Z', 'every')).toEqual(['2026-01-01T09:20']);
  expect(await workshop.upTo('2026-01-01T10:15Z')).toEqual([]);
  expect(await workshop.upTo('2026-01-01T10:31Z')).toEqual(['2026-01-01T10:20', '2026-01-01T10:30']);
});

test('a wall clock that is set back by more than three hours is believed; and what was fired before is not fired again when that is undone', async () => {
  const workshop = new Workshop('2026-01-01T10:00Z');
  workshop.schedule('s', { cron: '0 * * * *', missed: 'all' });
  expect(await workshop.upTo('2026-01-01T12:30Z')).toHaveLength(2);
  workshop.machine.offset -= 4 * hour;
  await workshop.done();
  expect(await workshop.upTo('2026-01-01T09:30Z')).toEqual(['2026-01-01T09:00']);
  workshop.machine.offset += 4 * hour;
  expect(await workshop.upTo('2026-01-01T15:30Z')).toEqual([
    '2026-01-01T13:00',
    '2026-01-01T14:00',
    '2026-01-01T15:00',
  ]);
});

test('a wall clock that was years ahead holds up nothing once it is right', async () => {
  const workshop = new Workshop('2040-01-01T10:00Z');
  workshop.schedule('s', { cron: '0 * * * *' });
  workshop.schedule('yearly', { cron: '0 0 1 1 *', missed: 'once' });
  expect(await workshop.upTo('2040-01-01T11:00:01Z')).toEqual(['2040-01-01T11:00']);
  workshop.set('2026-12-31T23:30Z');
  // By itself.
  const nextYear = new Date('2027-01-01T00:00Z').getTime();
  await until(() => ['s', 'yearly'].every((name) => workshop.info(name).nextAt!.getTime() === nextYear));
  expect(workshop.fired()).toEqual([]);
  expect(await workshop.upTo('2027-01-01T00:00:01Z')).toEqual(['2027-01-01T00:00']);
  expect(workshop.fired('yearly')).toEqual(['2027-01-01T00:00']);
});

test('a wall clock that was years behind fires nothing again once it is right', async () => {
  const workshop = new Workshop('2026-01-01T10:00Z');
  workshop.schedule('s', { cron: '0 * * * *', missed: 'all' });
  expect(await workshop.upTo('2026-01-01T12:30Z')).toHaveLength(2);
  workshop.restart(() => workshop.set('1970-01-02T00:30Z'));
  await workshop.done();
  expect(await workshop.upTo('1970-01-02T01:30Z')).toEqual(['1970-01-02T01:00']);
  workshop.set('2026-01-01T13:05Z');
  await workshop.done();
  expect(workshop.fired()).toEqual(['2026-01-01T13:00']);
});

test('after a downtime cron makes up for what `missed` says', async () => {
  const workshop = new Workshop('2026-01-01T09:30Z');
  const cron = '*/20 10-11 * * *';
  workshop.schedule('s', { cron });
  workshop.schedule('once', { cron, missed: 'once' });
  workshop.schedule('all', { cron, missed: 'all' });
  workshop.restart(() => (workshop.machine.now += 2 * hour));
  await workshop.done();
  expect(workshop.fired()).toEqual([]);
  expect(workshop.fired('once')).toEqual(['2026-01-01T11:20']);
  const all = ['10:00', '10:20', '10:40', '11:00', '11:20'].map((time) => `2026-01-01T${time}`);
  expect(workshop.fired('all')).toEqual(all);
  workshop.restart(() => (workshop.machine.now += day + 10 * minute + 20 * second));
  await workshop.done();
  expect(workshop.fired()).toEqual(['2026-01-02T11:40']);
  expect(workshop.fired('once')).toEqual(['2026-01-02T11:40']);
  expect(workshop.fired('all')).toHaveLength(7);
});

test('a period goes on over a reboot, for as long as the machine was off', async () => {
  const workshop = new Workshop('2026-01-01T10:00Z');
  workshop.schedule('s', { every: '10m' });
  expect(await workshop.upTo('2026-01-01T10:10:30Z')).toEqual(['2026-01-01T10:10']);
  workshop.restart(() => workshop.machine.reboot(12 * minute));
  expect(await workshop.upTo('2026-01-01T10:25Z')).toEqual([]);
  expect(await workshop.upTo('2026-01-01T10:30:10Z')).toEqual(['2026-01-01T10:30']);
});

test('a cron whose years are over stays, and fires nothing; to store it again is no error', async () => {
  const workshop = new Workshop('2026-12-31T22:30Z');
  const options = { cron: '0 0 * * * * 2026' };
  workshop.schedule('s', options);
  expect(await workshop.upTo('2026-12-31T23:00:10Z')).toEqual(['2026-12-31T23:00']);
  expect(await workshop.upTo('2027-01-05T00:00Z')).toEqual([]);
  expect(workshop.info('s')).toMatchObject({ nextAt: undefined, lastAt: new Date('2026-12-31T23:00Z') });
  workshop.schedule('s', options);
  expect(() => workshop.schedule('t', options)).toThrow(RangeError);
  // It was the clock that was wrong.
  workshop.set('2026-06-01T10:30Z');
  await until(() => workshop.info('s').nextAt?.toISOString() === '2026-06-01T11:00:00.000Z');
});

test('cron takes names, seconds, and the last and nth days', async () => {
  const workshop = new Workshop('2026-01-01T00:00Z');
  const first = (cron: string): string => {
    workshop.schedule('s', { cron });
    return workshop.info('s').nextAt!.toISOString().slice(0, 19);
  };
  expect(first('0 9 * * MON-FRI')).toBe('2026-01-01T09:00:00');
  expect(first('0 9 * FEB SUN')).toBe('2026-02-01T09:00:00');
  expect(first('15 0 9 * * *')).toBe('2026-01-01T09:00:15');
  expect(first('0 9 L * *')).toBe('2026-01-31T09:00:00');
  expect(first('0 9 * * FRI#L')).toBe('2026-01-30T09:00:00');
  expect(first('0 9 * * MON#1')).toBe('2026-01-05T09:00:00');
  expect(first('0 9 17W * *')).toBe('2026-01-16T09:00:00');
  expect(first('0 9 29 2 *')).toBe('2028-02-29T09:00:00');
  expect(first('0 9 13 * FRI')).toBe('2026-01-02T09:00:00');
  expect(first('0 9 13 * +FRI')).toBe('2026-02-13T09:00:00');
  expect(first('@weekly')).toBe('2026-01-04T00:00:00');
});
