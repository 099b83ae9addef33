// @ts-check
// The slow service that is not to be overrun. It answers after 60 ms, and remembers when each request came and went.
import { createServer } from 'node:http';

const answerAfter = 60;

export class Service {
  /** When requests came. @type {number[]} */
  #came = [];
  #served = 0;
  #open = 0;
  #mostAtOnce = 0;
  #server = createServer((request, response) => this.#answer(request, response));

  static async start() {
    const service = new Service();
    await new Promise((resolve) => service.#server.listen(0, '127.0.0.1', () => resolve(undefined)));
    return service;
  }

  get url() {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The service does not listen.');
    return `http://127.0.0.1:${address.port}/`;
  }

  /** What it has seen. @param {number} moment - By `performance.now()`. */
  counts(moment) {
    const came = this.#came;
    let mostInASecond = 0;
    for (let first = 0, last = 0; last < came.length; last++) {
      while ((came[last] ?? 0) - (came[first] ?? 0) >= 1000) first++;
      mostInASecond = Math.max(mostInASecond, last - first + 1);
    }
    const next = came.find((at) => at > moment) ?? Infinity;
    return { served: this.#served, mostInASecond, mostAtOnce: this.#mostAtOnce, pauseAfter: next - moment };
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  #answer(request, response) {
    this.#came.push(performance.now());
    this.#open++;
    this.#mostAtOnce = Math.max(this.#mostAtOnce, this.#open);
    const timer = setTimeout(() => {
      this.#served++;
      response.end('done\n');
    }, answerAfter);
    // Answered, or the caller has died.
    response.once('close', () => {
      clearTimeout(timer);
      this.#open--;
    });
    request.resume();
  }
}
