import { randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { HoldfastError, driverCode, translated, translating } from './errors.js';
import { createDirectory, linkOrCopy, syncDirectory } from './files.js';

/** The most bytes that Node reads into memory at once. */
const mostAtOnce = 2 ** 31 - 1;

/** A value file as its row refers to it. */
export interface FileRef {
  /** Where it lies in the folder of values, with `/` on every system. */
  readonly name: string;
  /** How many bytes it has. */
  readonly size: number;
}

/** A file that a row refers to is not there: its row was changed since it was read, or the file was lost. */
export class MissingFile extends HoldfastError {
  constructor(
    readonly file: string,
    path: string,
    cause: unknown,
  ) {
    super(
      'ERR_CORRUPT',
      `${path}: the file of a stored value is missing, or was cut short; check({ repair: true }) removes its entry`,
      { cause },
    );
  }
}

/** The file that is missing; throws what else it is, and where it is the same again: then it is lost. */
export function missingOf(error: unknown, missing: unknown): string {
  if (error instanceof MissingFile && error.file !== missing) return error.file;
  throw error;
}

/** Reads again where the file of a value was removed since its row was read. */
export function rereading<T>(read: () => T): T {
  for (let missing: unknown; ;) {
    try {
      return read();
    } catch (error) {
      missing = missingOf(error, missing);
    }
  }
}

/** @param size - How many bytes there are. */
export const tooLargeAtOnce = (size: number): HoldfastError =>
  new HoldfastError(
    'ERR_TOO_LARGE',
    `a value of ${size} bytes can't be had at once: read() gives a stream of it`,
  );

/** How many bytes of a file are read at a time: four times Node's own number, and twice as fast (2.2 against 1.1 GB/s), for no more memory. */
const pieceSize = 256 * 1024;

/** The store that files belong to. */
export interface FileKeeper {
  /** Whether a file is to be on the disk when it is whole. */
  readonly durable: boolean;
  /** The token of the store. Throws where nothing may be written. */
  token(): string;
  /** Called when there is, or was, a file. */
  used(): void;
  /** Removes the files of values that are gone, soon. */
  sweep(): void;
}

/** A file that is being written, piece by piece. */
export interface FileWriter {
  write(chunk: Uint8Array): Promise<void>;
  /** Has it whole, and on the disk where the store is to survive the loss of power. */
  end(): Promise<FileRef>;
  /** Removes what there is of it. */
  abandon(): Promise<void>;
}

/**
 * Values too large for a row, each in a file of its own. A file is written before the transaction that stores its row, and removed after
 * the one that has it go: see docs/internals.md. Its name begins with the token of the store that writes it: a file that no row
 * refers to is left over if that is dead.
 */
export class ValueFiles {
  readonly #directory: string;
  readonly #keeper: FileKeeper;
  #count = 0;
  readonly #adopted: string[] = [];

  constructor(storeDirectory: string, keeper: FileKeeper) {
    this.#directory = join(storeDirectory, 'values');
    this.#keeper = keeper;
  }

  write(bytes: Uint8Array): FileRef {
    const { name, path, folder } = this.#create();
    try {
      const file = openSync(path, 'wx', 0o600);
      try {
        for (let done = 0; done < bytes.byteLength;) done += writeSync(file, bytes, done);
        if (this.#keeper.durable) fsyncSync(file);
      } finally {
        closeSync(file);
      }
      if (this.#keeper.durable) this.#syncFolders(folder);
    } catch (error) {
      rmSync(path, { force: true });
      throw translated(error, path);
    }
    return { name, size: bytes.byteLength };
  }

  async begin(): Promise<FileWriter> {
    const { name, path, folder } = this.#create();
    const file = await translating(path, () => open(path, 'wx', 0o600));
    let size = 0;
    return {
      write: (chunk) =>
        translating(path, async () => {
          for (let done = 0; done < chunk.byteLength;) done += (await file.write(chunk, done)).bytesWritten;
          size += chunk.byteLength;
        }),
      end: () =>
        translating(path, async () => {
          if (this.#keeper.durable) await file.sync();
          await file.close();
          if (this.#keeper.durable) this.#syncFolders(folder);
          return { name, size };
        }),
      abandon: async () => {
        await file.close().catch(() => undefined);
        this.remove(name);
      },
    };
  }

  /** The bytes of a file. @throws {@link MissingFile}; {@link HoldfastError} `ERR_TOO_LARGE` where it is more than memory takes at once. */
  read({ name, size }: FileRef): Uint8Array {
    if (size > mostAtOnce) throw tooLargeAtOnce(size);
    const path = this.#path(name);
    const bytes = this.#present(name, () => readFileSync(path));
    if (bytes.byteLength !== size) throw new MissingFile(name, path, undefined);
    return bytes;
  }

  /** The first byte of a file, and a stream of what is behind it, which goes on though the file is removed. @throws {@link MissingFile} */
  stream({ name, size }: FileRef): { readonly head: number; readonly rest: Readable } {
    const path = this.#path(name);
    const file = this.#present(name, () => openSync(path, 'r'));
    const head = Buffer.alloc(1);
    if (fstatSync(file).size === size && readSync(file, head, 0, 1, 0) === 1)
      return {
        head: head.readUInt8(),
        rest: createReadStream(path, { fd: file, start: 1, highWaterMark: pieceSize }),
      };
    closeSync(file);
    throw new MissingFile(name, path, undefined);
  }

  /**
   * Has a file of another store here as well, to be settled, or disowned. Its name is another: one that it had here before may still be about to be
   * removed, and by this one others see that its writer lives. @throws {@link MissingFile}
   */
  adopt(ref: FileRef, from: ValueFiles): FileRef {
    const { name, path } = this.#create();
    this.#adopted.push(name);
    from.#present(ref.name, () => {
      linkOrCopy(from.#path(ref.name), path);
    });
    return { name, size: ref.size };
  }

  /** Has the files that were adopted on the disk, whatever the durability. */
  settle(): void {
    if (this.#adopted.length === 0) return;
    for (const folder of new Set(this.#adopted.map((name) => dirname(this.#path(name)))))
      syncDirectory(folder);
    syncDirectory(this.#directory);
    this.#adopted.length = 0;
  }

  /** Removes the files that were adopted. */
  disown(): void {
    for (const name of this.#adopted.splice(0)) this.remove(name);
  }

  /** Removes the files of values that are gone, soon: those that others have left. */
  sweep(): void {
    this.#keeper.sweep();
  }

  /** Removes a file, if it is there. */
  remove(name: string): void {
    rmSync(this.#path(name), { force: true });
  }

  /** The same without keeping others waiting: to remove a large one takes the system some time. */
  async removeSoon(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  #present<T>(name: string, work: () => T): T {
    const path = this.#path(name);
    this.#keeper.used();
    try {
      return work();
    } catch (error) {
      if (driverCode(error) === 'ENOENT') throw new MissingFile(name, path, error);
      throw translated(error, path);
    }
  }

  /** Spread over folders: some file systems are slow with many files in one. */
  #create(): { readonly name: string; readonly path: string; readonly folder: string } {
    const part = randomBytes(1).toString('hex');
    const name = `${part}/${this.#keeper.token()}-${(++this.#count).toString(36)}`;
    const folder = join(this.#directory, part);
    createDirectory(folder);
    this.#keeper.used();
    return { name, path: this.#path(name), folder };
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  /** Else the name of the file may be lost with the power, though its bytes are not. */
  #syncFolders(folder: string): void {
    for (const path of [folder, this.#directory, join(this.#directory, '..')]) syncDirectory(path);
  }
}
