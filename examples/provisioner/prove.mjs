// Lets two workers provision while they, and once the service, are killed, and then compares what is downstream with what the service says:
// a record for each assignment, and no other. Then revokes some units, and sees their records removed.
//
//     node prove.mjs ../../target/debug/claimcheck target/debug/claimcheck-provisioner

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { end, Service, start, until } from '../service.mjs';

const UNITS = 40;
const KILLS = 12;
const [program = '../../target/debug/claimcheck', worker = 'target/debug/claimcheck-provisioner'] = process.argv.slice(2);

const service = await Service.in(program, 'provisioner');
await service.start();
const { admin, buy } = await service.shop('EXTERNAL');
const env = {
  ...service.env,
  CLAIMCHECK_KEY: service.command('key', 'create', '--name', 'worker', '--role', 'provisioner'),
  DOWNSTREAM_DIRECTORY: join(service.directory, 'downstream'),
  DOWNSTREAM_MILLISECONDS: '60',
  LEASE_SECONDS: '5',
};
const work = () => start(resolve(worker), [], env);

const place = (number) => (number === 0 ? 'no such place' : number <= 3 ? 'busy at first' : `seat ${number}`);
await buy(
  Array.from({ length: UNITS }, (_, number) => ({
    assignTo: { externalReference: `user-${number}` },
    resource: place(number),
  })),
);

async function assignments() {
  const all = [];
  for (let after = null; ; ) {
    const page = await service.ask(
      admin,
      `query($after: String) {
        assignments(first: 50, after: $after) {
          nodes { id status externalReference resource entitlement { id exceptions { kind status } } attempts { outcome } }
          pageInfo { hasNextPage endCursor }
        }
      }`,
      { after },
    );
    all.push(...page.nodes);
    if (!page.pageInfo.hasNextPage) return all;
    after = page.pageInfo.endCursor;
  }
}

/** What is downstream, by the reference it was made under. */
function records() {
  const names = readdirSync(env.DOWNSTREAM_DIRECTORY).filter((name) => name.endsWith('.json'));
  const read = (name) => JSON.parse(readFileSync(join(env.DOWNSTREAM_DIRECTORY, name), 'utf8'));
  return new Map(names.map((name) => [name.replace('+', '/').replace('.json', ''), read(name)]));
}

function check(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

const workers = [work(), work()];
for (let kill = 0; kill < KILLS; kill += 1) {
  await sleep(150 + Math.random() * 500);
  await end(workers[kill % 2], 'SIGKILL');
  if (kill === KILLS / 2) {
    await service.stop('SIGKILL');
    await service.start();
  }
  workers[kill % 2] = work();
}
const settled = async () => {
  const all = await assignments();
  return all.every(({ status }) => status === 'ACTIVE' || status === 'FAILED') && all;
};
const made = await until(settled, 'all is provisioned, or refused');

const refused = made.filter(({ status }) => status === 'FAILED');
check(made.length === UNITS && refused.length === 1 && refused[0].resource === 'no such place', 'only the impossible was refused');
const [exception] = refused[0].entitlement.exceptions;
check(exception?.kind === 'PROVISIONING_FAILED' && exception.status === 'OPEN', 'what was refused waits for somebody');
let downstream = records();
check(downstream.size === UNITS - 1, `${UNITS - 1} records downstream, not ${downstream.size}`);
for (const { id, status, externalReference } of made) {
  const record = downstream.get(`${id}/provision`);
  check(status === 'FAILED' ? !record : record?.id === externalReference && !record.removed, `${id} has the record it names`);
}
const unknown = made.flatMap(({ attempts }) => attempts).filter(({ outcome }) => outcome === 'UNKNOWN').length;
check(unknown > 0, 'a worker was killed at work');
console.log(`${KILLS} workers killed, ${unknown} attempts cut off: ${downstream.size} records, one for each assignment`);

const revoked = made.filter(({ status }) => status === 'ACTIVE').slice(0, 5);
for (const { entitlement } of revoked) {
  const query = `mutation($id: ID!) {
    revokeEntitlement(input: { entitlementId: $id, reason: "the proof" }) { entitlement { id } userErrors { message } }
  }`;
  await service.ask(admin, query, { id: entitlement.id });
}
await sleep(200);
await end(workers[0], 'SIGKILL');
const ended = async () => {
  const states = new Map((await assignments()).map(({ id, status }) => [id, status]));
  return revoked.every(({ id }) => states.get(id) === 'ENDED');
};
await until(ended, 'what was revoked is removed');
downstream = records();
const removed = [...downstream.values()].filter((record) => record.removed).map((record) => record.id);
check(removed.length === 5 && revoked.every(({ externalReference }) => removed.includes(externalReference)), 'their records, and no others');
console.log(`${removed.length} units revoked: their records are removed, and no others`);

for (const running of workers) await end(running, 'SIGKILL');
await service.stop('SIGTERM');
console.log(service.command('verify'));
console.log('provisioner: as it should be');
process.exit(0);
