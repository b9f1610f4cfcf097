// The cursor of the last redemption that was handled, in a file that is always whole: written beside, and then put in its place.

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export class Place {
  cursor = null;
  #directory;
  #path;

  static open(directory) {
    mkdirSync(directory, { recursive: true });
    const place = new Place();
    place.#directory = directory;
    place.#path = join(directory, 'cursor');
    try {
      place.cursor = readFileSync(place.#path, 'utf8').trim() || null;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    return place;
  }

  remember(cursor) {
    const beside = `${this.#path}.new`;
    const file = openSync(beside, 'w');
    try {
      writeSync(file, `${cursor}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, this.#path);
    sync(this.#directory);
    this.cursor = cursor;
  }

  /** The file stays until there is another cursor: whoever dies before is told once more that it cannot be resumed from. */
  forget() {
    this.cursor = null;
  }
}

/** Makes the names in a directory last. */
export function sync(directory) {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
