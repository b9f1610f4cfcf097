// A service to try the examples against: of its own, in a directory and on a port of its own, and gone with the process that asked for it.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set();
const directories = [];
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Starts a program that ends with this one at the latest. */
export function start(command, args, env) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  running.add(child);
  child.gone = new Promise((done) => child.once('exit', done)).then(() => running.delete(child));
  return child;
}

export async function end(child, signal) {
  child.kill(signal);
  await child.gone;
}

/** Waits until `holds` answers with something. */
export async function until(holds, what, seconds = 120) {
  for (const limit = Date.now() + seconds * 1000; Date.now() < limit; await sleep(100)) {
    const found = await holds();
    if (found) return found;
  }
  throw new Error(`${seconds} seconds, and still not: ${what}`);
}

export class Service {
  static async in(program, name) {
    const service = new Service();
    service.directory = mkdtempSync(join(tmpdir(), `${name}-`));
    directories.push(service.directory);
    service.database = join(service.directory, 'database');
    mkdirSync(service.database);
    const address = `127.0.0.1:${await freePort()}`;
    service.program = resolve(program);
    service.url = `http://${address}`;
    service.env = {
      ...process.env,
      DATABASE_URL: `sqlite:${join(service.database, 'claimcheck.db')}`,
      CLAIMCHECK_LISTEN: address,
      CLAIMCHECK_LOG: 'warn',
      CLAIMCHECK_URL: service.url,
    };
    return service;
  }

  /** Runs another command of the program, and answers with what it printed. */
  command(...args) {
    const { status, stdout } = spawnSync(this.program, args, { env: this.env, stdio: ['ignore', 'pipe', 'inherit'] });
    if (status !== 0) throw new Error(`claimcheck ${args.join(' ')} ended with ${status}`);
    return stdout.toString().trim();
  }

  async start() {
    this.child = start(this.program, ['serve'], this.env);
    await until(() => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false), 'the service is ready');
  }

  stop(signal) {
    return end(this.child, signal);
  }

  /**
   * Sends an operation of one field until there is an answer, and answers with that field: the service dies now and then, and all that is
   * asked here may be asked twice.
   */
  async ask(key, query, variables = {}) {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    for (;;) {
      const sent = fetch(`${this.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
      const body = await sent.then((answer) => answer.json()).catch(() => null);
      const [error] = body?.errors ?? [];
      if (error && error.extensions?.code !== 'UNAVAILABLE') throw new Error(error.message);
      if (body?.data && !error) {
        const payload = Object.values(body.data)[0];
        if (payload?.userErrors?.length) throw new Error(payload.userErrors[0].message);
        return payload;
      }
      await sleep(100);
    }
  }

  /** A partner with a channel and a key, a product with one of the two kinds of provisioning, and a key for whoever may do all. */
  async shop(provisioning) {
    const admin = this.command('key', 'create', '--name', 'shop', '--role', 'admin');
    const { partner } = await this.ask(
      admin,
      'mutation { createPartner(input: { name: "reseller", idempotencyKey: "p" }) { partner { id } userErrors { message } } }',
    );
    const key = this.command('key', 'create', '--name', 'reseller', '--role', 'partner', '--partner', partner.id);
    const { channel } = await this.ask(
      admin,
      `mutation($partnerId: ID!) {
        createChannel(input: { name: "portal", kind: RESELLER, partnerId: $partnerId, idempotencyKey: "c" }) {
          channel { id }
          userErrors { message }
        }
      }`,
      { partnerId: partner.id },
    );
    await this.ask(
      admin,
      `mutation($provisioning: Provisioning!) {
        createProduct(input: { sku: "seat", name: "Seat", policy: { provisioning: $provisioning }, idempotencyKey: "s" }) {
          product { id }
          userErrors { message }
        }
      }`,
      { provisioning },
    );
    let orders = 0;
    const buy = async (lines) => {
      orders += 1;
      const placed = await this.ask(
        key,
        'mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { activationCodes { code } userErrors { message } } }',
        {
          input: {
            channelId: channel.id,
            externalReference: `order-${orders}`,
            lines: lines.map((line) => ({ sku: 'seat', ...line })),
          },
        },
      );
      return placed.activationCodes.map((issued) => issued.code);
    };
    return { admin, key, buy };
  }
}
