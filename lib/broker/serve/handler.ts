/** What a handler of methods is: called with the channel and the fields, before anything else happened. */
import type { MethodFields, MethodName } from '../../amqp/protocol/index.js';
import type { ChannelSession } from './channel-session.js';

export type Handlers<Name extends MethodName = MethodName> = {
  readonly [Each in Name]: (session: ChannelSession, fields: MethodFields[Each]) => void;
};
