/** `@Transaction()`: a parameter of an idempotent handler. */
import { createParamDecorator } from '@nestjs/common';
import { WrongStateError } from '../../amqp/index.js';
import { currentTransaction } from './current-transaction.js';

const transaction = createParamDecorator(() => {
  const current = currentTransaction();
  if (current === undefined) {
    throw new WrongStateError('@Transaction: there is no transaction: no @Idempotent, or one whose store has none');
  }
  return current;
});

/**
 * The transaction in which the handler's key is remembered, as `currentTransaction()`: what the handler writes in it is there
 * if, and only if, the message is done with. A handler without `@Idempotent`, or whose store has no transactions, fails with a
 * WrongStateError.
 */
export function Transaction(): ParameterDecorator {
  return transaction();
}
