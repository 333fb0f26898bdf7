/** Policies: what they change of queues and exchanges, on RabbitMQ and on the embedded broker as each of its versions. */
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { EmbeddedBroker, type PolicyDefinition, type PolicyOptions } from 'leveret/broker';
import { describeOnControlledRabbitmq } from '../../support/brokers.js';
import { pause, rejection, until } from '../../support/waiting.js';

/** rabbitmqctl takes its time. */
const limit = 40_000;

interface PolicyBroker {
  url(): string;
  unique(name: string): string;
  setPolicy(name: string, policy: PolicyOptions): Promise<void>;
  deletePolicy(name: string): Promise<void>;
}

const types = ['classic', 'quorum'] as const;

function policiesOf(broker: PolicyBroker): void {
  const names = new Set<string>();
  const queues = new Set<string>();
  const exchanges = new Set<string>();
  let connection: Connection;
  let channel: Channel;

  beforeAll(async () => {
    connection = await connect(broker.url());
    channel = await connection.openChannel({ confirm: true });
  });

  afterAll(async () => {
    await Promise.all([...names].map((name) => broker.deletePolicy(name)));
    for (const name of queues) await channel.queueDelete(name);
    for (const name of exchanges) await channel.exchangeDelete(name);
    await connection.close();
  }, limit);

  async function set(name: string, policy: PolicyOptions): Promise<void> {
    names.add(name);
    await broker.setPolicy(name, policy);
  }
  /** A pattern for this name alone, or for those that begin with it. */
  const matching = (name: string, rest = '$'): string => `^${name.replaceAll('.', '\\.')}${rest}`;

  async function queue(name: string, type: (typeof types)[number] = 'classic', table = {}): Promise<string> {
    queues.add(name);
    await channel.queueDeclare(name, { arguments: { 'x-queue-type': type, ...table } });
    return name;
  }

  /** Answers how each was confirmed: `+` or `-`. */
  async function publish(exchange: string, routingKey: string, bodies: string): Promise<string> {
    const outcomes = await Promise.allSettled(
      bodies.split('').map((body) => channel.publish(exchange, routingKey, body)),
    );
    return outcomes.map(({ status }) => (status === 'fulfilled' ? '+' : '-')).join('');
  }

  async function count(name: string): Promise<number> {
    return (await channel.queueDeclare(name, { passive: true })).messageCount;
  }

  /** Takes what is there, in order. */
  async function bodies(name: string): Promise<string> {
    let all = '';
    for (let got = await channel.basicGet(name, { noAck: true }); got;) {
      all += got.text();
      got = await channel.basicGet(name, { noAck: true });
    }
    return all;
  }

  test(
    'count at once for queues that are there and for those to come, and no more when they are deleted',
    async () => {
      const base = broker.unique('limits');
      const dead = await queue(broker.unique('dead'));
      const before = [await queue(`${base}.classic`, 'classic'), await queue(`${base}.quorum`, 'quorum')];
      for (const name of before) await publish('', name, '12345');
      await set(base, {
        pattern: matching(base, ''),
        definition: { 'max-length': 2, 'dead-letter-exchange': '', 'dead-letter-routing-key': dead },
      });
      const after = [await queue(`${base}.classic.2`, 'classic'), await queue(`${base}.quorum.2`, 'quorum')];
      for (const name of before) await until(`${name} is short`, async () => (await count(name)) === 2);
      for (const name of after) await publish('', name, '6789');
      for (const name of after) await until(`${name} is short`, async () => (await count(name)) === 2);
      await until('the others are dead letters', async () => (await count(dead)) === 10);
      const died = (await bodies(dead)).split('').toSorted().join('');
      expect(died).toBe('1122336677');
      for (const name of before) expect(await bodies(name)).toBe('45');
      for (const name of after) expect(await bodies(name)).toBe('89');
      // What a policy says is no argument of the queue.
      await queue(`${base}.classic`, 'classic');
      const other = await connection.openChannel();
      const different = { arguments: { 'x-queue-type': 'classic', 'x-max-length': 2 } };
      expect((await rejection(other.queueDeclare(`${base}.classic`, different))).message).toMatch(/current is none/);
      await broker.deletePolicy(base);
      names.delete(base);
      for (const name of [...before, ...after]) {
        await publish('', name, 'abcd');
        await until('it takes all', async () => (await count(name)) === 4);
      }
    },
    limit,
  );

  test(
    'give way to arguments, but for numbers, of which the lower counts, and for the overflow of quorum queues',
    async () => {
      const base = broker.unique('arguments');
      const [mine, theirs] = [await queue(broker.unique('mine')), await queue(broker.unique('theirs'))];
      await set(base, {
        pattern: matching(base, ''),
        definition: {
          'max-length': 2,
          overflow: 'drop-head',
          'dead-letter-exchange': '',
          'dead-letter-routing-key': theirs,
        },
      });
      const toMine = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': mine };
      for (const type of types) {
        const longer = await queue(`${base}.${type}.longer`, type, { 'x-max-length': 9 });
        await publish('', longer, '123');
        await until('the policy is stricter', async () => (await count(longer)) === 2);
        const shorter = await queue(`${base}.${type}.shorter`, type, { 'x-max-length': 1, ...toMine });
        await publish('', shorter, '45');
        await until('the argument is stricter', async () => (await count(shorter)) === 1);
      }
      await until('dead letters', async () => (await count(mine)) === 2 && (await count(theirs)) === 2);
      expect([await bodies(mine), await bodies(theirs)]).toEqual(['44', '11']);
      const rejecting = { 'x-overflow': 'reject-publish' };
      expect(await publish('', await queue(`${base}.classic`, 'classic', rejecting), '1234')).toBe('++--');
      expect(await bodies(`${base}.classic`)).toBe('12');
      expect(await publish('', await queue(`${base}.quorum`, 'quorum', rejecting), '1234')).toBe('++++');
      await until('the policy drops', async () => (await count(`${base}.quorum`)) === 2);
      expect(await bodies(`${base}.quorum`)).toBe('34');
    },
    limit,
  );

  test(
    'of several that match the one of the highest priority counts alone; with a foreign setting it is not for a queue',
    async () => {
      const base = broker.unique('priority');
      await set(`${base}.low`, { pattern: matching(base, ''), definition: { 'max-length': 1 }, priority: 1 });
      await set(`${base}.high`, { pattern: matching(base, ''), definition: { 'delivery-limit': 2 }, priority: 2 });
      const [classic, quorum] = [await queue(`${base}.classic`), await queue(`${base}.quorum`, 'quorum')];
      await publish('', classic, '123');
      await publish('', quorum, '123');
      // Classic queues have no delivery limit.
      expect(await bodies(classic)).toBe('3');
      let deliveries = 0;
      let body = '1';
      for (; body === '1'; deliveries++) {
        const got = await channel.basicGet(quorum);
        body = got?.text() ?? '';
        got?.reject({ requeue: body === '1' });
      }
      expect(deliveries - 1).toBe(3);
      expect([body, await bodies(quorum)]).toEqual(['2', '3']);
    },
    limit,
  );

  test(
    'a time to live is of messages that come then',
    async () => {
      const base = broker.unique('ttl');
      for (const type of types) await publish('', await queue(`${base}.${type}`, type), 'a');
      const dead = await queue(broker.unique('dead'));
      await set(base, {
        pattern: matching(base, ''),
        definition: { 'message-ttl': 20, 'dead-letter-exchange': '', 'dead-letter-routing-key': dead },
      });
      for (const type of types) {
        const name = `${base}.${type}`;
        await channel.queueDeclare(name, { arguments: { 'x-queue-type': type } });
        await publish('', name, 'b');
        await pause(60);
        expect(await bodies(name)).toBe('a');
      }
      await until('both are dead letters', async () => (await count(dead)) === 2);
    },
    limit,
  );

  test(
    'delete queues that are not used',
    async () => {
      const base = broker.unique('expires');
      await queue(base);
      await set(base, { pattern: matching(base), definition: { expires: 100 } });
      await until('it is gone', async () => {
        const looking = await connection.openChannel();
        // Asking is use: between two questions there must be time.
        await pause(300);
        const isThere = await looking.queueDeclare(base, { passive: true }).then(
          () => true,
          () => false,
        );
        if (looking.isOpen) await looking.close();
        return !isThere;
      });
    },
    limit,
  );

  test(
    'give exchanges an alternate, where they have none of their own',
    async () => {
      const base = broker.unique('alternate');
      const [mine, theirs] = [await queue(broker.unique('mine')), await queue(broker.unique('theirs'))];
      const exchange = async (name: string, table = {}): Promise<string> => {
        exchanges.add(name);
        await channel.exchangeDeclare(name, 'fanout', { arguments: table });
        return name;
      };
      const toMine = await exchange(broker.unique('to-mine'));
      const toTheirs = await exchange(broker.unique('to-theirs'));
      await channel.queueBind(mine, toMine, '');
      await channel.queueBind(theirs, toTheirs, '');
      await exchange(`${base}.plain`);
      await exchange(`${base}.own`, { 'alternate-exchange': toMine });
      await set(base, {
        pattern: matching(base, ''),
        definition: { 'alternate-exchange': toTheirs, 'max-length': 1 },
        applyTo: 'exchanges',
      });
      await publish(`${base}.plain`, '', 'p');
      await publish(`${base}.own`, '', 'o');
      expect([await bodies(mine), await bodies(theirs)]).toEqual(['o', 'p']);
      // It is for exchanges alone.
      await publish('', await queue(`${base}.queue`), '12');
      expect(await bodies(`${base}.queue`)).toBe('12');
      await channel.exchangeDeclare(`${base}.plain`, 'fanout');
    },
    limit,
  );
}

describeOnControlledRabbitmq('policies', (broker) => {
  policiesOf({
    url: () => broker.url,
    unique: broker.unique,
    setPolicy: async (name, { pattern, definition, priority = 0, applyTo = 'all' }) => {
      const options = ['--priority', String(priority), '--apply-to', applyTo];
      await broker.control('set_policy', ...options, name, pattern, JSON.stringify(definition));
    },
    deletePolicy: async (name) => {
      await broker.control('clear_policy', name);
    },
  });
});

describe.each(['3.10', '4.3'] as const)('policies (embedded, as RabbitMQ %s)', (emulate) => {
  let broker: EmbeddedBroker;
  let nameCount = 0;

  beforeAll(async () => {
    broker = await EmbeddedBroker.start({ port: 0, emulate });
  });
  policiesOf({
    url: () => broker.url,
    unique: (name) => `${name}.${String(++nameCount)}`,
    setPolicy: async (name, policy) => {
      await Promise.resolve();
      broker.setPolicy(name, policy);
    },
    deletePolicy: async (name) => {
      await Promise.resolve();
      expect(broker.deletePolicy(name)).toBe(true);
    },
  });
  afterAll(async () => {
    await broker.stop();
  });
});

describe('policies of the embedded broker', () => {
  let broker: EmbeddedBroker;
  let connection: Connection;
  let channel: Channel;

  async function start(options: Parameters<typeof EmbeddedBroker.start>[0] = {}): Promise<void> {
    broker = await EmbeddedBroker.start(options);
    connection = await connect({ transport: broker.memory() });
    channel = await connection.openChannel({ confirm: true });
  }

  afterEach(async () => {
    await connection.close();
    await broker.stop();
  });

  it('are shown in the order in which they count, and where they do', async () => {
    await start({ virtualHosts: ['shop'] });
    await channel.queueDeclare('q');
    const definition = { 'max-length': 1 };
    broker.setPolicy('b', { pattern: '^q', definition });
    broker.setPolicy('a', { pattern: '^q', definition, applyTo: 'queues' });
    broker.setPolicy('c', { pattern: 'direct', definition: { 'alternate-exchange': 'amq.fanout' }, priority: 7 });
    broker.setPolicy('elsewhere', { pattern: '', definition, virtualHost: 'shop' });
    expect(broker.inspect.policies().map(({ name }) => name)).toEqual(['c', 'a', 'b']);
    expect(broker.inspect.policies('shop')).toEqual([
      { name: 'elsewhere', pattern: '', definition, priority: 0, applyTo: 'all' },
    ]);
    expect(broker.inspect.queue('q')?.policy).toBe('a');
    const exchanges = broker.inspect.exchanges().map(({ name, policy }) => [name, policy]);
    expect(exchanges).toContainEqual(['amq.direct', 'c']);
    expect(exchanges).toContainEqual(['amq.topic', undefined]);
    expect(broker.deletePolicy('a')).toBe(true);
    expect(broker.deletePolicy('a')).toBe(false);
    expect(broker.deletePolicy('c', 'shop')).toBe(false);
    expect(broker.inspect.queue('q')?.policy).toBe('b');
    broker.setPolicy('b', { pattern: '^r', definition });
    expect(broker.inspect.queue('q')?.policy).toBeUndefined();
  });

  it.each(['3.10', '4.3'] as const)('refuse what RabbitMQ %s does, and say what it is', async (emulate) => {
    await start({ emulate });
    const wrong: [string, object][] = [
      ['definition', {}],
      ['definition.message-ttl', { 'message-ttl': -1 }],
      ['definition.message-ttl', { 'message-ttl': '1' }],
      ['definition.message-ttl', { 'message-ttl': 1.5 }],
      ['definition.expires', { expires: 0 }],
      ['definition.max-length', { 'max-length': null }],
      ['definition.overflow', { overflow: 'reject' }],
      ['definition.dead-letter-exchange', { 'dead-letter-exchange': 5 }],
      ['definition.queue-mode', { 'queue-mode': 'eager' }],
      ['definition.max-age', { 'max-age': 'x' }],
      ['definition.max-priority', { 'max-length': 1, 'max-priority': 5 }],
      ['definition.x-max-length', { 'x-max-length': 1 }],
      ['definition.toString', { toString: 1 }],
    ];
    const newer: [string, object][] = [
      ['definition.delivery-limit', { 'delivery-limit': -1 }],
      ['definition.consumer-timeout', { 'consumer-timeout': 1_000 }],
    ];
    const set = (policy: object, name = 'p'): void => {
      broker.setPolicy(name, policy as PolicyOptions);
    };
    const refused = (argument: string): unknown => expect.objectContaining({ name: 'ArgumentError', argument });
    for (const [argument, definition] of emulate === '4.3' ? wrong : [...wrong, ...newer]) {
      expect(() => {
        set({ pattern: '', definition });
      }).toThrow(refused(argument) as Error);
    }
    const definition = { 'max-length': 1 };
    const others: [string, object][] = [
      ['pattern', { pattern: '(', definition }],
      ['pattern', { definition }],
      ['priority', { pattern: '', definition, priority: 1.5 }],
      ['applyTo', { pattern: '', definition, applyTo: emulate === '4.3' ? 'queue' : 'quorum_queues' }],
      ['definition', { pattern: '' }],
      ['virtualHost', { pattern: '', definition, virtualHost: 'nowhere' }],
      ['vhost', { pattern: '', definition, vhost: '/' }],
    ];
    for (const [argument, policy] of others) {
      expect(() => {
        set(policy);
      }).toThrow(refused(argument) as Error);
    }
    expect(() => {
      set({ pattern: '', definition }, '');
    }).toThrow(refused('name') as Error);
    expect(broker.inspect.policies()).toEqual([]);
    // What it knows and does nothing here.
    const harmless: PolicyDefinition = { 'queue-mode': 'lazy', 'ha-mode': 'all', 'queue-version': 2 };
    set({
      pattern: '',
      definition: emulate === '4.3' ? { ...harmless, ...Object.assign({}, ...newer.map(([, one]) => one)) } : harmless,
    });
    expect(broker.inspect.policies()).toHaveLength(1);
  });

  it('let the time without use begin anew, and leave queues that are used', async () => {
    await start();
    for (const name of ['idle', 'used']) await channel.queueDeclare(name);
    await channel.basicConsume('used', () => undefined);
    broker.advance(60_000);
    broker.setPolicy('p', { pattern: '', definition: { expires: 1_000 } });
    broker.advance(999);
    expect(broker.inspect.queues()).toHaveLength(2);
    broker.deletePolicy('p');
    broker.advance(60_000);
    expect(broker.inspect.queues()).toHaveLength(2);
    broker.setPolicy('p', { pattern: '', definition: { expires: 1_000 } });
    broker.advance(1_000);
    expect(broker.inspect.queues().map(({ name }) => name)).toEqual(['used']);
  });

  it('shorten a classic queue by what it did so far with too much, a quorum queue by what it does from then on', async () => {
    await start();
    const types = ['classic', 'quorum'];
    for (const type of types) await channel.queueDeclare(type, { arguments: { 'x-queue-type': type } });
    for (const type of types) await Promise.all('12345'.split('').map((body) => channel.publish('', type, body)));
    const set = (maximum: number, overflow: 'drop-head' | 'reject-publish'): number[] => {
      broker.setPolicy('p', { pattern: '', definition: { 'max-length': maximum, overflow } });
      return types.map((type) => broker.inspect.queue(type)?.messageCount ?? 0);
    };
    expect(set(4, 'reject-publish')).toEqual([4, 5]);
    expect(set(3, 'reject-publish')).toEqual([4, 5]);
    expect(set(3, 'drop-head')).toEqual([3, 3]);
  });

  it('are an option, and a part of definitions', async () => {
    const definitions = {
      vhosts: [{ name: '/' }, { name: 'shop' }],
      policies: [
        {
          ...{ vhost: 'shop', name: 'short', pattern: '^orders', 'apply-to': 'queues', priority: 3 },
          definition: { 'max-length': 2, 'ha-mode': 'all', 'federation-upstream-set': 'all' },
        },
      ],
      queues: [{ name: 'orders', vhost: 'shop', durable: true, auto_delete: false, arguments: {} }],
    };
    const policies = [{ name: 'mine', pattern: '', definition: { 'max-length': 5 } }];
    await start({ definitions, policies });
    expect(broker.inspect.policies().map(({ name }) => name)).toEqual(['mine']);
    expect(broker.inspect.queue('orders', 'shop')?.policy).toBe('short');
    expect(broker.inspect.policies('shop')).toMatchObject([{ priority: 3, applyTo: 'queues' }]);
  });

  it('say in options and definitions which of them is wrong', async () => {
    await start();
    const definition = { 'max-length': -1 };
    expect(await rejection(EmbeddedBroker.start({ policies: [{ name: 'p', pattern: '', definition }] }))).toMatchObject(
      { name: 'ArgumentError', argument: 'policies[0].definition.max-length' },
    );
    expect(await rejection(EmbeddedBroker.start({ policies: [null] as never }))).toMatchObject({
      ...{ name: 'ArgumentError', argument: 'policies[0]' },
    });
    const rightful = { vhost: '/', name: 'p', pattern: '', definition: { 'max-length': 1 } };
    const faults = [
      { ...rightful, definition },
      { ...rightful, 'apply-to': 'everything' },
      { ...rightful, vhost: 'nowhere' },
    ];
    const error = await rejection(EmbeddedBroker.start({ definitions: { policies: faults } }));
    expect(error.name).toBe('DefinitionsError');
    expect(error).toMatchObject({
      faults: [
        expect.stringMatching(/^policies\[0\]\.definition\.max-length: must be an integer/),
        expect.stringMatching(/^policies\[1\]\.apply-to: must be one of/),
        expect.stringMatching(/^policies\[2\]\.vhost: /),
      ],
    });
    const malformed = [{ ...rightful, pattern: '(' }, { ...rightful, priority: 'high' }, { vhost: '/' }];
    expect(await rejection(EmbeddedBroker.start({ definitions: { policies: malformed } }))).toMatchObject({
      faults: expect.arrayContaining([
        expect.stringMatching(/^policies\[0\]\.pattern: /),
        expect.stringMatching(/^policies\[1\]\.priority: /),
        expect.stringMatching(/^policies\[2\]\.name: is missing/),
      ]) as unknown,
    });
  });
});
