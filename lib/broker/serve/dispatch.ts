/** From a method's name to its handler, for everything that happens on an open channel. */
import type { MethodFields, MethodName } from '../../amqp/protocol/index.js';
import { connectionRefusal } from '../store/reply-error.js';
import { basicHandlers } from './basic.js';
import type { ChannelSession } from './channel-session.js';
import { confirmHandlers } from './confirm.js';
import { exchangeHandlers } from './exchange.js';
import type { Handlers } from './handler.js';
import { queueHandlers } from './queue.js';
import { txHandlers } from './tx.js';

const handlers: Partial<Handlers> = {
  ...exchangeHandlers,
  ...queueHandlers,
  ...basicHandlers,
  ...confirmHandlers,
  ...txHandlers,

  // Left over from AMQP 0-8: everybody gets a ticket that means nothing.
  'access.request': (session) => {
    session.send('access.request-ok', {});
  },

  'channel.flow': (session, { active }) => {
    if (!active) throw connectionRefusal('notImplemented', 'active=false');
    session.send('channel.flow-ok', { active });
  },
};

/** Runs a method on an open channel, or throws ReplyError. */
export function dispatch<Name extends MethodName>(
  session: ChannelSession,
  method: { readonly name: Name; readonly fields: MethodFields[Name] },
): void {
  const handler: Partial<Handlers>[Name] = handlers[method.name];
  if (!handler) throw connectionRefusal('commandInvalid', 'unimplemented method');
  handler(session, method.fields);
}
