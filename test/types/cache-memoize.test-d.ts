import { Cache, type AsyncStore, type Store } from '../../src/index.js';

declare const store: Store;
declare const server: AsyncStore;
const embedded = new Cache<number>(store, 'c');
const remote = new Cache<number>(server, 'c');

export class Shop {
  @embedded.memoize({ ttl: '5m' })
  async price(item: string): Promise<number> {
    return item.length;
  }

  @embedded.memoize()
  atOnce(item: string): number {
    return item.length;
  }

  @embedded.memoize({ key: (item: string) => [item] })
  static async of(item: string, _request: object): Promise<number> {
    return item.length;
  }

  @remote.memoize()
  async #own(): Promise<number> {
    return 1;
  }

  // @ts-expect-error a method of a server's cache returns a promise
  @remote.memoize()
  wrong(): number {
    return 1;
  }

  own(): Promise<number> {
    return this.#own();
  }
}
