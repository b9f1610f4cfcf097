import { ask, ServiceError, type Service } from './client.js';
import { graphql } from './gql/index.js';
import type { UserErrorCode } from './gql/graphql.js';

const FindChannel = graphql(`
  query FindChannel($name: String!) {
    channelByName(name: $name) {
      id
    }
  }
`);

const BuyGift = graphql(`
  mutation BuyGift($input: PlaceOrderInput!) {
    placeOrder(input: $input) {
      order {
        id
        externalReference
        status
        fulfillmentStatus
      }
      activationCodes {
        code
        activationCode {
          lastFour
          entitlement {
            id
            recipient {
              name
            }
          }
        }
      }
      userErrors {
        code
        message
        field
      }
    }
  }
`);

const Redeem = graphql(`
  mutation Redeem($input: RedeemCodeInput!) {
    redeemCode(input: $input) {
      entitlement {
        id
        status
        product {
          name
        }
      }
      assignment {
        status
        missingInput
      }
      userErrors {
        code
        message
        retryable
        retryAfterSeconds
      }
    }
  }
`);

/** The id of the shop's channel, which a shop needs to ask for once only. */
export async function findChannel(service: Service, name: string): Promise<string> {
  const { channelByName } = await ask(service, FindChannel, { name });
  if (!channelByName) throw new ServiceError(`there is no channel "${name}" for this key`);
  return channelByName.id;
}

export interface Gift {
  channelId: string;
  /** The shop's own number of the order. Asking twice with the same one buys once. */
  orderNumber: string;
  sku: string;
  quantity: number;
  buyer: { name: string; email: string };
  recipient: { name: string; email: string };
}

export interface Bought {
  orderId: string;
  /** To print on the gift or to send to the recipient. Shown now; later only by revealActivationCode, while that is allowed. */
  codes: string[];
}

/** Buys units that somebody else will claim. The purchase is complete; that the recipient has no account is no hindrance. */
export async function buyGift(service: Service, gift: Gift): Promise<Bought> {
  const { placeOrder } = await ask(service, BuyGift, {
    input: {
      channelId: gift.channelId,
      externalReference: gift.orderNumber,
      buyer: gift.buyer,
      lines: [{ sku: gift.sku, quantity: gift.quantity, recipient: gift.recipient }],
    },
  });
  // What is refused here is the shop's own mistake (an unknown sku, say), and nothing that the buyer can mend.
  const [refusal] = placeOrder.userErrors;
  if (refusal || !placeOrder.order) throw new ServiceError(`${refusal?.code}: ${refusal?.message}`);
  return { orderId: placeOrder.order.id, codes: placeOrder.activationCodes.map((issued) => issued.code) };
}

export type Redemption =
  | { done: true; entitlementId: string; product: string; missingInput: string[] }
  | { done: false; code: UserErrorCode; say: string; again: 'now' | 'later' | 'never'; afterSeconds: number | null };

/** Redeems what a customer has typed. A refusal is an answer to show, and no exception. */
export async function redeem(service: Service, code: string, account: string): Promise<Redemption> {
  const { redeemCode } = await ask(service, Redeem, { input: { code, account: { externalReference: account } } });
  const [refusal] = redeemCode.userErrors;
  if (refusal) {
    const { say, mistyped } = advice(refusal.code, refusal.message);
    const again = mistyped ? 'now' : refusal.retryable ? 'later' : 'never';
    return { done: false, code: refusal.code, say, again, afterSeconds: refusal.retryAfterSeconds ?? null };
  }
  const { entitlement, assignment } = redeemCode;
  if (!entitlement || !assignment) throw new ServiceError('redeemed, but what?');
  return {
    done: true,
    entitlementId: entitlement.id,
    product: entitlement.product.name,
    missingInput: assignment.missingInput,
  };
}

/** The shop's words for the refusals that a customer meets. The code decides, never the message, whose wording may change. */
function advice(code: UserErrorCode, message: string): { say: string; mistyped?: true } {
  switch (code) {
    case 'CODE_INVALID':
      return { say: 'We do not know this code. Please check what you typed.', mistyped: true };
    case 'ALREADY_REDEEMED':
      return { say: 'This code has been used. If that was not you, please contact our support.' };
    case 'CODE_EXPIRED':
      return { say: 'This code has expired. Our support may be able to extend it.' };
    case 'CODE_REPLACED':
      return { say: 'There is a newer code for this gift. Please use that one.' };
    case 'RESERVED_BY_OTHER':
      return { say: 'Somebody else is about to claim this. Please try again later.' };
    case 'RATE_LIMITED':
      return { say: 'Too many tries. Please wait a little.' };
    // Codes are added in time: a default is part of the contract.
    default:
      return { say: message };
  }
}
