// A gift from the purchase to its use, and what a customer sees on the way. Ends with an error if anything is not as it should be.

import { strict as assert } from 'node:assert';

import { buyGift, findChannel, redeem, type Gift } from './shop.js';

function setting(name: string, otherwise?: string): string {
  const value = process.env[name] || otherwise;
  if (!value) {
    console.error(`${name} must be set: see README.md`);
    process.exit(2);
  }
  return value;
}

const service = { url: setting('CLAIMCHECK_URL', 'http://127.0.0.1:8000'), key: setting('CLAIMCHECK_KEY') };
const channelId = await findChannel(service, setting('CLAIMCHECK_CHANNEL', 'northwind portal'));

const gift: Gift = {
  channelId,
  orderNumber: `gift-${Date.now()}`,
  sku: setting('CLAIMCHECK_SKU', '71053'),
  quantity: 2,
  buyer: { name: 'Ada', email: 'ada@example.com' },
  recipient: { name: 'Grace', email: 'grace@example.com' },
};
const bought = await buyGift(service, gift);
console.log(`bought ${bought.orderId}; codes for the card:`);
for (const code of bought.codes) console.log(`  ${code}`);
assert.equal(bought.codes.length, gift.quantity);

// The buyer pressed the button twice. It is the same order, not another one.
const again = await buyGift(service, gift);
assert.equal(again.orderId, bought.orderId);
console.log('pressed twice, bought once');

const [code = '', other = ''] = bought.codes;
const typed = code.toLowerCase().replaceAll('-', ' ');
const grace = await redeem(service, typed, `grace-${gift.orderNumber}`);
assert(grace.done);
console.log(`Grace has "${grace.product}"; still to be asked: ${grace.missingInput.join(', ') || 'nothing'}`);

// Grace reloads the page: the same answer. Somebody else with her code: a refusal that says why.
const reloaded = await redeem(service, code, `grace-${gift.orderNumber}`);
assert(reloaded.done && reloaded.entitlementId === grace.entitlementId);
const mallory = await redeem(service, code, `mallory-${gift.orderNumber}`);
assert(!mallory.done && mallory.code === 'ALREADY_REDEEMED' && mallory.again === 'never');
console.log(`Mallory is told: ${mallory.say}`);

const slip = (other.startsWith('7') ? '8' : '7') + other.slice(1);
const mistyped = await redeem(service, slip, `hopper-${gift.orderNumber}`);
assert(!mistyped.done && mistyped.code === 'CODE_INVALID' && mistyped.again === 'now');
console.log(`Whoever mistypes is told: ${mistyped.say}`);

console.log('storefront: as it should be');
