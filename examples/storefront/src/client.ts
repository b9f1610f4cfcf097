import { setTimeout as sleep } from 'node:timers/promises';

import type { TypedDocumentString } from './gql/graphql.js';

/** The answer was no answer to the question: the document, the key or the service is at fault, and no customer can mend that. */
export class ServiceError extends Error {}

interface Body<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string; retryable?: boolean } }[];
}

export interface Service {
  url: string;
  /** A server key. It stays on the server: what a browser needs to know, the shop's own pages tell it. */
  key: string;
}

const TRIES = 4;

/**
 * Sends one operation.
 *
 * Where no answer came it is sent again, for nobody knows whether the service had it. That is safe for all operations of this shop: placeOrder
 * is recognised by its externalReference, redeemCode by the code and the account, and queries change nothing.
 */
export async function ask<Result, Variables>(
  service: Service,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    let problem: string;
    try {
      const response = await fetch(`${service.url}/graphql`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${service.key}`,
          'content-type': 'application/json',
          accept: 'application/graphql-response+json',
        },
        body: JSON.stringify({ query: document.toString(), variables }),
        signal: AbortSignal.timeout(10_000),
      });
      if (response.status < 500) {
        const body = (await response.json()) as Body<Result>;
        if (body.data && !body.errors) return body.data;
        const error = body.errors?.[0];
        throw new ServiceError(`${error?.extensions?.code ?? response.status}: ${error?.message ?? 'no data'}`);
      }
      problem = `status ${response.status}`;
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      problem = String(error);
    }
    if (attempt === TRIES) throw new ServiceError(`no answer after ${TRIES} tries: ${problem}`);
    await sleep(250 * 2 ** attempt);
  }
}
