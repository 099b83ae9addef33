// @ts-check

const second = 1_000;

/** Shows how far it is: a bar that is drawn anew on a terminal, else plain lines, one for each tenth and none within a second. */
export class Progress {
  #stream;
  #total;
  #started = performance.now();
  #shownAt = performance.now();
  #shownTenth = 0;
  #hasBar = false;

  /**
   * @param {NodeJS.WriteStream} stream
   * @param {number} total
   */
  constructor(stream, total) {
    this.#stream = stream;
    this.#total = total;
  }

  /** @param {number} done */
  update(done) {
    if (this.#stream.isTTY) this.#draw(done);
    else this.#print(done);
  }

  /** Leaves the line clean for what comes next. */
  end() {
    if (this.#hasBar) this.#stream.write('\r\x1b[K');
    this.#hasBar = false;
  }

  /** @param {number} done */
  #draw(done) {
    const facts = this.#facts(done);
    const width = Math.min(40, (this.#stream.columns || 80) - facts.length - 3);
    this.#stream.write(`\r${width >= 5 ? `${bar(done / this.#total, width)} ` : ''}${facts}\x1b[K`);
    this.#hasBar = true;
  }

  /** @param {number} done */
  #print(done) {
    const tenth = Math.floor((10 * done) / this.#total);
    if (tenth === this.#shownTenth || performance.now() - this.#shownAt < second) return;
    this.#shownTenth = tenth;
    this.#shownAt = performance.now();
    this.#stream.write(`${this.#facts(done)}\n`);
  }

  /** @param {number} done */
  #facts(done) {
    const passed = (performance.now() - this.#started) / second;
    const rate = done / passed;
    const percent = `${Math.floor((100 * done) / this.#total)}%`.padStart(4);
    const facts = `${percent}  ${count(done)} of ${count(this.#total)}`;
    // The first moments say little about the speed.
    if (done === 0 || passed < 1) return facts;
    return `${facts}  ${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))}/s  ${clock((this.#total - done) / rate)} left`;
  }
}

/** @param {number} number */
export function count(number) {
  return number.toLocaleString('en-US');
}

/** A bar in steps of an eighth of a character. @param {number} share @param {number} width */
function bar(share, width) {
  const eighths = Math.round(share * width * 8);
  const full = Math.floor(eighths / 8);
  const part = eighths % 8 === 0 ? '' : String.fromCodePoint(0x2590 - (eighths % 8));
  return ('█'.repeat(full) + part).padEnd(width, '░');
}

/** @param {number} seconds */
function clock(seconds) {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}
