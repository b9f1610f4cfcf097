// What the partner does about a redemption. Here it becomes a line of a file; elsewhere a row of a table whose unique key is the event's id.
// Either way: done twice is done once.

import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { sync } from './place.js';

export class Inbox {
  #file;
  #known = new Set();

  static open(directory) {
    mkdirSync(directory, { recursive: true });
    const inbox = new Inbox();
    const path = join(directory, 'redemptions.ndjson');
    inbox.#file = openSync(path, 'a+');
    sync(directory);
    const bytes = readFileSync(path);
    // A line that its writer did not live to finish was not handled, and comes again.
    const whole = bytes.lastIndexOf('\n') + 1;
    if (whole < bytes.length) ftruncateSync(inbox.#file, whole);
    for (const line of bytes.subarray(0, whole).toString('utf8').split('\n')) {
      if (line) inbox.#known.add(JSON.parse(line).id);
    }
    return inbox;
  }

  knows(id) {
    return this.#known.has(id);
  }

  handle(redemption) {
    if (this.#known.has(redemption.id)) return;
    writeSync(this.#file, `${JSON.stringify(redemption)}\n`);
    fsyncSync(this.#file);
    this.#known.add(redemption.id);
  }

  close() {
    closeSync(this.#file);
  }
}
