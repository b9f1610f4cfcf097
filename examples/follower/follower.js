// Follows a partner's redemptions: each is handled once, whatever is killed, cut or restarted, here or there.
//
// The order of things is the whole trick: first handle, then remember the cursor. Whoever dies in between is given the same redemption again
// (at least once), and the handler knows it by its event's id (exactly once).

import { setTimeout as sleep } from 'node:timers/promises';

import { createClient } from 'graphql-sse';

import { Inbox } from './inbox.js';
import { Place } from './place.js';

const url = `${process.env.CLAIMCHECK_URL || 'http://127.0.0.1:8000'}/graphql`;
const key = process.env.CLAIMCHECK_KEY;
const directory = process.env.FOLLOWER_DIRECTORY || 'followed';
/** The service gives a sign of life every 12 seconds. Without any for so long the line is dead, whatever the system says of it. */
const SILENCE = 40_000;
const LONGEST_PAUSE = 15_000;

const REDEMPTION = `
  fragment Redemption on Event {
    id
    occurredAt
    order { externalReference }
    entitlement { id product { sku } }
    assignment { account { externalReference } }
  }
`;
const FOLLOW = `subscription Follow($after: Cursor) { redemptions(after: $after) { cursor ...Redemption } } ${REDEMPTION}`;
const HEAD = 'query Head { feedCursor }';
const HISTORY = `
  query History($before: String) {
    events(last: 100, before: $before, filter: { types: [CODE_REDEEMED] }) {
      nodes { ...Redemption }
      pageInfo { hasPreviousPage startCursor }
    }
  }
  ${REDEMPTION}
`;

/** What trying again does not mend. */
class Hopeless extends Error {}
/** The place cannot be resumed from. */
class Expired extends Error {}

if (!key) {
  console.error('CLAIMCHECK_KEY must be set: see README.md');
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort());

const inbox = Inbox.open(directory);
const place = Place.open(directory);
log(place.cursor ? 'going on from where it stopped' : 'beginning at the beginning');

let failures = 0;
while (!stop.signal.aborted) {
  try {
    if (!place.cursor) await catchUp();
    await follow();
    if (stop.signal.aborted) break;
    log('the stream ended; coming back');
    failures += 1;
  } catch (error) {
    if (stop.signal.aborted) break;
    if (error instanceof Hopeless) {
      console.error(error.message);
      process.exit(1);
    }
    if (error instanceof Expired) {
      // The place is older than what the service keeps for those who resume, or the service was set back to a backup.
      log(`${error.message} Reading the history instead.`);
      place.forget();
      continue;
    }
    failures += 1;
    log(`${reason(error)}; coming back`);
  }
  // Longer each time, and not all followers at once.
  const pause = Math.min(LONGEST_PAUSE, 100 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
  await sleep(pause, undefined, { signal: stop.signal }).catch(() => {});
}
log('stopped');

/** Handles redemptions as they come, until the stream ends. */
async function follow() {
  const line = new Line();
  const client = createClient({ url, headers: { authorization: `Bearer ${key}` }, retryAttempts: 0, fetchFn: line.fetch });
  const results = client.iterate({ query: FOLLOW, variables: { after: place.cursor } });
  const giveUp = () => void results.return?.();
  line.signal.addEventListener('abort', giveUp, { once: true });
  try {
    for await (const result of results) {
      refuse(result.errors);
      failures = 0;
      const { cursor, ...redemption } = result.data.redemptions;
      inbox.handle(redemption);
      place.remember(cursor);
      if (stop.signal.aborted) return;
    }
  } catch (error) {
    if (error.response) refuse(await problems(error.response), error.response.status);
    throw error;
  } finally {
    line.signal.removeEventListener('abort', giveUp);
    client.dispose();
    line.end();
  }
  if (line.silent) throw new Error('no sign of life');
}

/**
 * Handles what is in the history and not yet in the inbox: from the newest back to one that is known, for all before that one are known too.
 * Then the place is the head as it was before.
 */
async function catchUp() {
  const { feedCursor } = await ask(HEAD, {});
  const missed = [];
  for (let before = null; ; ) {
    const { nodes, pageInfo } = (await ask(HISTORY, { before })).events;
    const known = nodes.findLastIndex((redemption) => inbox.knows(redemption.id));
    missed.unshift(...nodes.slice(known + 1));
    if (known >= 0 || !pageInfo.hasPreviousPage) break;
    before = pageInfo.startCursor;
  }
  for (const redemption of missed) inbox.handle(redemption);
  place.remember(feedCursor);
  log(`${missed.length} redemptions from the history`);
}

async function ask(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.any ? AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]) : AbortSignal.timeout(30_000),
  });
  const body = await response.json();
  refuse(body.errors, response.status);
  return body.data;
}

/** Turns the errors of an answer into what is to be done about them. */
function refuse(errors, status = 200) {
  const [error] = errors ?? [];
  if (!error && status < 400) return;
  const code = error?.extensions?.code;
  const message = `${code ?? status}: ${error?.message ?? 'no answer'}`;
  if (code === 'CURSOR_EXPIRED') throw new Expired(message);
  const passing = status >= 500 || status === 429 || status === 408 || ['INTERNAL', 'UNAVAILABLE'].includes(code);
  throw passing ? new Error(message) : new Hopeless(message);
}

async function problems(response) {
  const body = await response.json().catch(() => null);
  return body?.errors;
}

function reason(error) {
  return error.cause?.code ?? error.message;
}

function log(message) {
  console.error(`${new Date().toISOString()} ${message}`);
}

/** A connection that is given up when nothing comes over it any more, or when the follower is told to stop. */
function Line() {
  const ended = new AbortController();
  const watchdog = setTimeout(() => {
    this.silent = true;
    ended.abort();
  }, SILENCE);
  const told = () => ended.abort();
  stop.signal.addEventListener('abort', told, { once: true });

  this.silent = false;
  this.signal = ended.signal;
  this.fetch = async (input, init) => {
    const response = await fetch(input, init);
    // Signs of life are comments, which no client makes an event of: they are seen as bytes only.
    const body = response.body?.pipeThrough(
      new TransformStream({
        transform(bytes, controller) {
          watchdog.refresh();
          controller.enqueue(bytes);
        },
      }),
    );
    return new Response(body, response);
  };
  this.end = () => {
    clearTimeout(watchdog);
    stop.signal.removeEventListener('abort', told);
  };
}
