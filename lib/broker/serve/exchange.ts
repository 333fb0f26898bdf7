/** Class exchange: declare, delete, bind, unbind. */
import type { FieldTable } from '../../amqp/protocol/index.js';
import { exchangeTypes, type Binding, type ExchangeType } from '../store/exchange.js';
import { typeName } from '../store/field-text.js';
import { channelRefusal, connectionRefusal, type ReplyError } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import type { ChannelSession } from './channel-session.js';
import type { Handlers } from './handler.js';

type ExchangeMethods = 'exchange.declare' | 'exchange.delete' | 'exchange.bind' | 'exchange.unbind';

export const exchangeHandlers: Handlers<ExchangeMethods> = {
  'exchange.declare': (session, fields) => {
    const { virtualHost, connection } = session;
    const name = withoutLineBreaks(fields.exchange);
    if (fields.passive) {
      if (name === '') throw operationOnDefault();
      connection.user.authoriseLook(virtualHost, 'exchange', name);
      virtualHost.exchange(name);
    } else {
      const type = exchangeType(fields.type, virtualHost);
      if (name === '') throw operationOnDefault();
      connection.user.authorise(virtualHost, 'configure', 'exchange', name);
      if (!virtualHost.findExchange(name)) assertMayBeMade(session, name, fields.arguments);
      virtualHost.declareExchange({
        name,
        type,
        isDurable: fields.durable,
        isAutoDelete: fields.autoDelete,
        isInternal: fields.internal,
        arguments: fields.arguments,
      });
    }
    if (!fields.noWait) session.send('exchange.declare-ok', {});
  },

  'exchange.delete': (session, { exchange, ifUnused, noWait }) => {
    const { virtualHost, connection } = session;
    const name = withoutLineBreaks(exchange);
    if (name === '') throw operationOnDefault();
    if (name.startsWith('amq.')) {
      throw channelRefusal(
        'accessRefused',
        `deletion of system exchange '${name}' in vhost '${virtualHost.name}' not allowed`,
      );
    }
    connection.user.authorise(virtualHost, 'configure', 'exchange', name);
    virtualHost.deleteExchange(name, ifUnused);
    if (!noWait) session.send('exchange.delete-ok', {});
  },

  'exchange.bind': (session, fields) => {
    const binding = exchangeBinding(session, fields);
    session.virtualHost.exchange(binding.source);
    session.virtualHost.exchange(binding.destination);
    session.virtualHost.bind(binding);
    if (!fields.noWait) session.send('exchange.bind-ok', {});
  },

  'exchange.unbind': (session, fields) => {
    session.virtualHost.unbind(exchangeBinding(session, fields));
    if (!fields.noWait) session.send('exchange.unbind-ok', {});
  },
};

/** What goes on to an alternate exchange is read from this one, and written there. */
function assertMayBeMade({ connection, virtualHost }: ChannelSession, name: string, table: Readonly<FieldTable>): void {
  assertNotReserved(name, 'exchange');
  const alternate = table['alternate-exchange'];
  if (alternate === undefined) return;
  if (typeof alternate === 'string') {
    connection.user.authorise(virtualHost, 'read', 'exchange', name);
    connection.user.authorise(virtualHost, 'write', 'exchange', alternate);
    return;
  }
  throw channelRefusal(
    'preconditionFailed',
    `invalid type '${typeName(alternate)}' for arg 'alternate-exchange' in exchange '${name}' in vhost '${virtualHost.name}'`,
  );
}

function exchangeBinding(
  session: ChannelSession,
  fields: Pick<Binding, 'source' | 'destination' | 'routingKey' | 'arguments'>,
): Binding {
  const { source, destination, routingKey } = fields;
  const { virtualHost, connection } = session;
  if (source === '' || destination === '') throw operationOnDefault();
  connection.user.authorise(virtualHost, 'write', 'exchange', destination);
  connection.user.authorise(virtualHost, 'read', 'exchange', source);
  return { source, destinationKind: 'exchange', destination, routingKey, arguments: fields.arguments };
}

function exchangeType(name: string, virtualHost: VirtualHost): ExchangeType {
  const type = exchangeTypes.find((known) => known === name);
  if (type) return type;
  const text = `invalid exchange type '${name}'`;
  throw virtualHost.behaviour.unknownExchangeTypeClosesConnection
    ? connectionRefusal('commandInvalid', text)
    : channelRefusal('preconditionFailed', text);
}

export function operationOnDefault(): ReplyError {
  return channelRefusal('accessRefused', 'operation not permitted on the default exchange');
}

/** Names under `amq.` are the broker's. */
export function assertNotReserved(name: string, kind: 'queue' | 'exchange'): void {
  if (!name.startsWith('amq.')) return;
  throw channelRefusal('accessRefused', `${kind} name '${name}' contains reserved prefix 'amq.*'`);
}

/** RabbitMQ drops line breaks from names that are declared. */
export function withoutLineBreaks(name: string): string {
  return name.includes('\n') || name.includes('\r') ? name.replaceAll(/[\r\n]/g, '') : name;
}
