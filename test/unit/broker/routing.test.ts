/** Where messages go: the rules of each exchange type, of bindings between exchanges, and of alternate exchanges. */
import { BrokerClock } from '../../../lib/broker/clock.js';
import { BrokerEvents } from '../../../lib/broker/events.js';
import { behaviourOf } from '../../../lib/broker/store/behaviour.js';
import type { ExchangeType } from '../../../lib/broker/store/exchange.js';
import { MemoryLedger } from '../../../lib/broker/store/memory-ledger.js';
import { encodeProperties, receivedMessage } from '../../../lib/broker/store/message.js';
import { routeMessage } from '../../../lib/broker/store/routing.js';
import { TopicTrie } from '../../../lib/broker/store/topic-trie.js';
import { VirtualHost } from '../../../lib/broker/store/virtual-host.js';
import type { FieldTable } from '../../../lib/amqp/protocol/index.js';

describe('topic patterns', () => {
  it.each([
    ['order.created', 'order.created', true],
    ['order.created', 'order.updated', false],
    ['order.*', 'order.created', true],
    ['order.*', 'order', false],
    ['order.*', 'order.created.eu', false],
    ['*.created', 'order.created', true],
    ['*', 'order', true],
    ['*', '', false],
    ['*', '.', false],
    ['*.*', '.', true],
    ['#', '', true],
    ['#', 'a.b.c', true],
    ['order.#', 'order', true],
    ['order.#', 'order.created.eu', true],
    ['#.eu', 'order.created.eu', true],
    ['#.eu', 'eu', true],
    ['#.eu', 'order.us', false],
    ['a.#.z', 'a.z', true],
    ['a.#.z', 'a.b.c.z', true],
    ['a.#.z', 'a.b.c', false],
    ['#.a.#', 'x.a.y', true],
    ['#.*', '', false],
    ['#.*', 'a.b', true],
    ['*.#.*', 'a', false],
    ['*.#.*', 'a.b', true],
    ['#.#', '', true],
    ['', '', true],
    ['', 'a', false],
  ])('"%s" and "%s": %s', (pattern, routingKey, matches) => {
    const trie = new TopicTrie<string>();
    trie.add(pattern, 'k', pattern);
    expect(trie.match(routingKey)).toEqual(matches ? [pattern] : []);
  });
});

describe('exchanges', () => {
  function world(): {
    host: VirtualHost;
    exchange(name: string, type: ExchangeType, table?: FieldTable): void;
    bind(source: string, destination: string, routingKey: string, table?: FieldTable): void;
    link(source: string, destination: string, routingKey: string): void;
    route(exchange: string, routingKey: string, headers?: FieldTable): string[];
  } {
    const host = new VirtualHost(
      '/',
      behaviourOf('4.3'),
      new BrokerEvents(),
      new BrokerClock(),
      new MemoryLedger(Infinity),
    );
    const bind = (kind: 'queue' | 'exchange', source: string, destination: string, key: string, table = {}): void => {
      host.bind({ source, destinationKind: kind, destination, routingKey: key, arguments: table });
    };
    return {
      host,
      exchange: (name, type, table = {}) => {
        const flags = { isDurable: true, isAutoDelete: false, isInternal: false };
        host.declareExchange({ name, type, ...flags, arguments: table });
      },
      bind: (source, destination, key, table) => {
        const declaration = { name: destination, isDurable: true, isAutoDelete: false, exclusiveOwner: undefined };
        host.declareQueue({ ...declaration, arguments: {} }, 1);
        bind('queue', source, destination, key, table);
      },
      link: (source, destination, key) => {
        bind('exchange', source, destination, key);
      },
      route: (exchange, key, headers) => {
        const properties = headers ? { headers } : {};
        const message = receivedMessage(exchange, key, encodeProperties(properties), properties, Buffer.alloc(0));
        return routeMessage(host, host.exchange(exchange), message).map(({ name }) => name);
      },
    };
  }

  it('direct: the routing key is the binding key', () => {
    const { bind, route } = world();
    bind('amq.direct', 'a', 'key');
    bind('amq.direct', 'b', 'key');
    bind('amq.direct', 'c', 'other');
    expect(route('amq.direct', 'key')).toEqual(['a', 'b']);
    expect(route('amq.direct', 'none')).toEqual([]);
  });

  it('fanout: everyone, once', () => {
    const { bind, route } = world();
    bind('amq.fanout', 'a', 'x');
    bind('amq.fanout', 'a', 'y');
    bind('amq.fanout', 'b', '');
    expect(route('amq.fanout', 'whatever')).toEqual(['a', 'b']);
  });

  it('default: the queue of that name', () => {
    const { bind, route } = world();
    bind('amq.direct', 'orders', 'x');
    expect(route('', 'orders')).toEqual(['orders']);
    expect(route('', 'nobody')).toEqual([]);
  });

  it('headers: all, any, presence alone, and x- headers only where asked', () => {
    const { bind, route } = world();
    bind('amq.headers', 'all', '', { a: 1, b: 'x', 'x-ignored': 1 });
    bind('amq.headers', 'any', '', { 'x-match': 'any', a: 1, b: 'x' });
    bind('amq.headers', 'present', '', { 'x-match': 'all', flag: null });
    bind('amq.headers', 'with-x', '', { 'x-match': 'all-with-x', 'x-kind': 'k' });
    expect(route('amq.headers', '', { a: 1, b: 'x' })).toEqual(['all', 'any']);
    expect(route('amq.headers', '', { a: 1 })).toEqual(['any']);
    expect(route('amq.headers', '', { flag: 'anything' })).toEqual(['present']);
    expect(route('amq.headers', '', { 'x-kind': 'k' })).toEqual(['with-x']);
    expect(route('amq.headers', '')).toEqual([]);
  });

  it('follow bindings between exchanges, also in a circle', () => {
    const { exchange, bind, link, route } = world();
    exchange('one', 'topic');
    exchange('two', 'fanout');
    link('one', 'two', 'a.#');
    link('two', 'one', '');
    bind('two', 'q', '');
    expect(route('one', 'a.b')).toEqual(['q']);
    expect(route('one', 'b')).toEqual([]);
  });

  it('go to the alternate exchange when no binding takes the message, over several steps', () => {
    const { exchange, bind, route } = world();
    exchange('main', 'direct', { 'alternate-exchange': 'second' });
    exchange('second', 'direct', { 'alternate-exchange': 'last' });
    exchange('last', 'fanout');
    bind('main', 'q', 'known');
    bind('last', 'unrouted', '');
    expect(route('main', 'known')).toEqual(['q']);
    expect(route('main', 'unknown')).toEqual(['unrouted']);
  });

  it('route to CC and BCC too', () => {
    const { bind, route } = world();
    bind('amq.direct', 'a', 'a');
    bind('amq.direct', 'b', 'b');
    bind('amq.direct', 'c', 'c');
    expect(route('amq.direct', 'a', { CC: ['b'], BCC: ['c', 'a'] })).toEqual(['a', 'b', 'c']);
  });

  it('forget a queue that is deleted, and vanish when they were auto-delete', () => {
    const { host, bind, route } = world();
    host.declareExchange({
      name: 'temporary',
      type: 'fanout',
      isDurable: false,
      isAutoDelete: true,
      isInternal: false,
      arguments: {},
    });
    bind('temporary', 'a', '');
    bind('amq.fanout', 'a', '');
    host.deleteQueue(host.queue('a', 1));
    expect(route('amq.fanout', '')).toEqual([]);
    expect(host.findExchange('temporary')).toBeUndefined();
  });
});
