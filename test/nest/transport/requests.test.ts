/** What a request of AmqpClient may meet: replies that nobody waits for, reply queues of every kind, losses, and errors that travel on. */
import 'reflect-metadata';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload, RmqRecordBuilder, RpcException } from '@nestjs/microservices';
import { ConnectionLostError, NotSentError, type Channel, type Delivery, type TransportFactory } from 'leveret/amqp';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';
import { AmqpRecord, RemoteError, RequestTimeoutError, type AmqpClient, type AmqpStatus } from 'leveret';
import { Bench, EventPattern } from './support.js';

@Controller()
class Service {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }
  @EventPattern('happened')
  happened(): void {}
}

/** A service that answers as it is told, in place of one that answers as it should. */
class Impostor {
  readonly requests: Delivery[] = [];
  #channel: Channel | undefined;

  async consume(channel: Channel, queue: string): Promise<void> {
    this.#channel = channel;
    await channel.queueDeclare(queue);
    await channel.basicConsume(queue, (request) => this.requests.push(request), { noAck: true });
  }

  async request(index: number): Promise<Delivery> {
    await until('the request arrives', () => this.requests.length > index);
    const request = this.requests[index];
    if (!request) throw new Error('it has just arrived');
    return request;
  }

  async reply(to: Delivery, packet: unknown, correlationId = to.properties.correlationId): Promise<void> {
    const body = typeof packet === 'string' ? packet : JSON.stringify(packet);
    await this.#channel?.publish('', to.properties.replyTo ?? '', body, { correlationId });
  }
}

const done = (response: unknown): object => ({ response, isDisposed: true });

describeOnBroker('a request of AmqpClient', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';
  let channel: Channel;
  let impostor: Impostor;

  beforeEach(async () => {
    bench.begin();
    queue = broker.unique('requests');
    void bench.deleteLater(queue, `${queue}.parked`, `${queue}.replies`);
    channel = await bench.channel();
    impostor = new Impostor();
  });
  afterEach(() => bench.end());

  const namedReplyQueue = async (): Promise<string> => (await channel.queueDeclare(`${queue}.replies`)).queue;
  const consumers = async (name: string): Promise<number> =>
    (await channel.queueDeclare(name, { passive: true })).consumerCount;
  const expectQuiet = (): void => {
    expect(bench.logger.errors).toEqual([]);
    expect(bench.logger.warnings).toEqual([]);
  };

  describe('and replies that it does not wait for', () => {
    test.each(['__proto__', 'constructor', 'error', 'toString', 'message', ''])(
      'forged, with the correlation id "%s": nobody sees them',
      async (correlationId) => {
        await impostor.consume(channel, queue);
        const client = bench.client({ queue });
        const asked = client.request('ask', {});
        const request = await impostor.request(0);
        await impostor.reply(request, done('forged'), correlationId);
        await impostor.reply(request, { err: 'forged' }, correlationId);
        await impostor.reply(request, done('true'));
        await expect(asked).resolves.toBe('true');
        expectQuiet();
      },
    );

    test('forged, without any correlation id', async () => {
      await impostor.consume(channel, queue);
      const client = bench.client({ queue });
      const asked = client.request('ask', {});
      const request = await impostor.request(0);
      await channel.publish('', request.properties.replyTo ?? '', JSON.stringify(done('forged')));
      await impostor.reply(request, done('true'));
      await expect(asked).resolves.toBe('true');
      expectQuiet();
    });

    test('late: of a request that timed out, was aborted, or was unsubscribed from', async () => {
      await impostor.consume(channel, queue);
      const client = bench.client({ queue });
      const abort = new AbortController();
      // So that its time is not spent on connecting: it has to arrive.
      const first = client.request('ask', {});
      await impostor.reply(await impostor.request(0), done('first'));
      await first;
      const timedOut = rejection(client.request('ask', {}, { timeout: 500 }));
      expect(await timedOut).toBeInstanceOf(RequestTimeoutError);
      const aborted = rejection(client.request('ask', {}, { signal: abort.signal }));
      const heard: unknown[] = [];
      const unsubscribed = client.send('ask', {}).subscribe((value) => heard.push(value));
      await impostor.request(3);
      abort.abort(new Error('not any more'));
      expect((await aborted).message).toBe('not any more');
      unsubscribed.unsubscribe();
      for (const request of impostor.requests) await impostor.reply(request, done('late'));
      const next = client.request('ask', {});
      await impostor.reply(await impostor.request(4), done('in time'));
      await expect(next).resolves.toBe('in time');
      expect(heard).toEqual([]);
      expectQuiet();
    });

    test('double: the first end counts, also of a stream', async () => {
      await impostor.consume(channel, queue);
      const client = bench.client({ queue });
      const asked = client.request('ask', {});
      const first = await impostor.request(0);
      await impostor.reply(first, done('first'));
      await impostor.reply(first, done('second'));
      await impostor.reply(first, { err: 'third' });
      await expect(asked).resolves.toBe('first');

      const values = firstValueFrom(client.send('ask', {}).pipe(toArray()));
      const second = await impostor.request(1);
      for (const packet of [{ response: 1 }, { response: 2 }, done(3), { response: 4 }, { err: 'after the end' }]) {
        await impostor.reply(second, packet);
      }
      await expect(values).resolves.toEqual([1, 2, 3]);
      expectQuiet();
    });

    test('by others, who are no Nest application: what they sent is the answer', async () => {
      await impostor.consume(channel, queue);
      const client = bench.client({ queue });
      const answers: [body: string, answer: unknown][] = [
        ['no JSON', 'no JSON'],
        ['null', null],
        ['[1,2]', [1, 2]],
        ['{"any":"thing"}', { any: 'thing' }],
        ['{"response":1,"isDisposed":true}', 1],
        ['{"isDisposed":true}', undefined],
      ];
      for (const [index, [body, answer]] of answers.entries()) {
        const asked = client.request('ask', {});
        await impostor.reply(await impostor.request(index), body);
        await expect(asked).resolves.toEqual(answer);
      }
      expectQuiet();
    });
  });

  describe('and its reply queue', () => {
    test('is opened at the first request: a client that connects and emits has none', async () => {
      await bench.serve([Service], { queue });
      const replyQueue = await namedReplyQueue();
      const client = bench.client({ queue, replyQueue });
      await client.connect();
      await lastValueFrom(client.emit('happened', {}), { defaultValue: undefined });
      expect(await consumers(replyQueue)).toBe(0);
      await expect(client.request('echo', 1)).resolves.toBe(1);
      await expect(firstValueFrom(client.send('echo', 2))).resolves.toBe(2);
      // One for all requests.
      expect(await consumers(replyQueue)).toBe(1);
    });

    test.each([
      ['direct reply-to', undefined, /^amq\.rabbitmq\.reply-to\./],
      ['exclusive', '', /^amq\.gen/],
      ['named', 'replies', /\.replies$/],
    ])('%s', async (_name, choice, expected) => {
      const replyQueue = choice === 'replies' ? await namedReplyQueue() : choice;
      await impostor.consume(channel, queue);
      const client = bench.client({ queue, replyQueue });
      const asked = client.request('ask', {});
      const request = await impostor.request(0);
      expect(request.properties.replyTo).toMatch(expected);
      await impostor.reply(request, done('answer'));
      await expect(asked).resolves.toBe('answer');
    });

    test('that is named and is not there: the request fails at once with the cause; it works when the queue is there', async () => {
      await bench.serve([Service], { queue });
      const client = bench.client({ queue, replyQueue: `${queue}.replies` });
      for (let attempt = 0; attempt < 12; attempt++) {
        expect((await rejection(client.request('echo', 1))).message).toContain('NOT_FOUND');
      }
      // What is left of an attempt would listen to the connection for ever.
      expect(client.unwrap().listenerCount('lost')).toBeLessThan(5);
      await namedReplyQueue();
      await expect(client.request('echo', 2)).resolves.toBe(2);
    });

    test('that is named and consumed by another client already: a warning, since each would get replies of the other', async () => {
      await bench.serve([Service], { queue });
      const replyQueue = await namedReplyQueue();
      await expect(bench.client({ queue, replyQueue }).request('echo', 1)).resolves.toBe(1);
      expectQuiet();
      // Which of the two gets the reply is up to the broker.
      const isWarned = (): boolean => bench.logger.warnings.length > 0;
      await bench
        .client({ queue, replyQueue })
        .request('echo', 2, { timeout: 50 })
        .catch(() => undefined);
      await until('it is warned of', isWarned);
      expect(bench.logger.warnings).toEqual([expect.stringContaining(replyQueue) as string]);
    });

    test('exclusive: under its new name after a loss, also for a request that was made while the connection was away', async () => {
      const cuts = new Cuts();
      await impostor.consume(channel, queue);
      const recovery = { initialDelay: 200, maxDelay: 200 };
      const client = bench.client({ queue, replyQueue: '', transport: cuts.transport, recovery });
      const lost = new Promise((resolve) => {
        client.on('lost', resolve);
      });
      const before = client.request('ask', {});
      await impostor.reply(await impostor.request(0), done('before'));
      await expect(before).resolves.toBe('before');
      cuts.cutAll();
      await lost;
      const during = client.request('ask', {}, { timeout: 5_000 });
      await impostor.reply(await impostor.request(1), done('during'));
      await expect(during).resolves.toBe('during');
      const after = client.request('ask', {}, { timeout: 5_000 });
      await impostor.reply(await impostor.request(2), done('after'));
      await expect(after).resolves.toBe('after');
      const names = impostor.requests.map(({ properties }) => properties.replyTo);
      expect(names[1]).toBe(names[2]);
      expect(names[1]).not.toBe(names[0]);
    });

    test('deleted: what waits fails at once, so does what comes, `status` says so, and all is well when it is back', async () => {
      await impostor.consume(channel, queue);
      const replyQueue = await namedReplyQueue();
      const recovery = { initialDelay: 20, maxDelay: 100 };
      const client = bench.client({ queue, replyQueue, recovery });
      const statuses: AmqpStatus[] = [];
      client.status.subscribe((status) => statuses.push(status));
      const waiting = rejection(client.request('ask', {}));
      await impostor.request(0);
      await channel.queueDelete(replyQueue);
      expect(await waiting).toBeInstanceOf(ConnectionLostError);
      expect(statuses).toEqual(['connected', 'unconsumed']);
      const refused = await rejection(client.request('ask', {}));
      expect(refused).toBeInstanceOf(ConnectionLostError);
      expect(refused.message).toContain(replyQueue);
      expect(impostor.requests).toHaveLength(1);
      await namedReplyQueue();
      await until('it is consumed again', () => statuses.at(-1) === 'connected');
      const asked = client.request('ask', {});
      await impostor.reply(await impostor.request(1), done('answer'));
      await expect(asked).resolves.toBe('answer');
    });

    test('deleted while the connection was away: `status` says so, and when it is back', async () => {
      const cuts = new Cuts();
      await bench.serve([Service], { queue });
      const replyQueue = await namedReplyQueue();
      const recovery = { initialDelay: 200, maxDelay: 200 };
      const client = bench.client({ queue, replyQueue, transport: cuts.transport, recovery });
      const statuses: AmqpStatus[] = [];
      client.status.subscribe((status) => statuses.push(status));
      await expect(client.request('echo', 1)).resolves.toBe(1);
      cuts.cutAll();
      await channel.queueDelete(replyQueue);
      await until('it is back without its reply queue', () => statuses.at(-1) === 'unconsumed');
      expect(await rejection(client.request('echo', 2))).toBeInstanceOf(ConnectionLostError);
      await namedReplyQueue();
      await until('it is consumed again', () => statuses.at(-1) === 'connected');
      await expect(client.request('echo', 3)).resolves.toBe(3);
    });
  });

  test('may be answered with a record, whose options go with the reply', async () => {
    @Controller()
    class Records {
      @MessagePattern('ours')
      ours(): AmqpRecord {
        return new AmqpRecord({ n: 1 }, { headers: { tenant: 'a' }, priority: 3 });
      }
      @MessagePattern("Nest's")
      nests(): unknown {
        return new RmqRecordBuilder({ n: 1 }).setOptions({ headers: { tenant: 'a' }, priority: 3 }).build();
      }
    }
    await bench.serve([Records], { queue });
    const replyTo = await namedReplyQueue();
    for (const pattern of ['ours', "Nest's"]) {
      await expect(bench.client({ queue }).request(pattern, {})).resolves.toEqual({ n: 1 });
      const body = JSON.stringify({ pattern, data: {}, id: '1' });
      await channel.publish('', queue, body, { replyTo, correlationId: '1' });
      let reply: Delivery | null = null;
      await until('the reply is there', async () => {
        reply = await channel.basicGet(replyTo, { noAck: true });
        return reply !== null;
      });
      expect((reply as unknown as Delivery).properties).toMatchObject({ headers: { tenant: 'a' }, priority: 3 });
    }
  });

  describe('while the connection is away', () => {
    /** A client that has lost its connection, and gets the next one when it is told. */
    const cutOff = async (options: object = {}): Promise<{ client: AmqpClient; reconnect: () => void }> => {
      const cuts = new Cuts();
      let reconnect = (): void => undefined;
      let isAllowed = Promise.resolve();
      const transport: TransportFactory = async (endpoint, signal) => {
        await Promise.race([isAllowed, new Promise((_, reject) => signal.addEventListener('abort', reject))]);
        return cuts.transport(endpoint, signal);
      };
      const recovery = { initialDelay: 20, maxDelay: 100 };
      const client = bench.client({ queue, transport, recovery, ...options });
      const first = client.request('first', {});
      await impostor.reply(await impostor.request(0), done('first'));
      await first;
      const lost = new Promise((resolve) => {
        client.on('lost', resolve);
      });
      isAllowed = new Promise((resolve) => {
        reconnect = resolve;
      });
      bench.closeLater(() => {
        reconnect();
        return Promise.resolve();
      });
      cuts.cutAll();
      await lost;
      return { client, reconnect };
    };
    const patterns = (): unknown[] =>
      impostor.requests.map(({ body }) => (JSON.parse(body.toString()) as { pattern: unknown }).pattern);

    test('is given up by its time-out or its signal, and then never sent', async () => {
      await impostor.consume(channel, queue);
      const { client, reconnect } = await cutOff();
      const abort = new AbortController();
      const aborted = rejection(client.request('aborted', {}, { signal: abort.signal }));
      expect(await rejection(client.request('late', {}, { timeout: 20 }))).toBeInstanceOf(RequestTimeoutError);
      abort.abort(new Error('not any more'));
      expect((await aborted).message).toBe('not any more');
      const waiting = client.request('waiting', {});
      reconnect();
      await impostor.reply(await impostor.request(1), done('answer'));
      await expect(waiting).resolves.toBe('answer');
      expect(patterns()).toEqual(['first', 'waiting']);
    });

    test('fails at once where nothing may wait (publishBuffer.timeout: 0), and is not sent', async () => {
      await impostor.consume(channel, queue);
      const { client } = await cutOff({ publishBuffer: { timeout: 0 } });
      const refused = await rejection(client.request('refused', {}));
      expect(refused).toBeInstanceOf(ConnectionLostError);
      expect(refused.cause).toBeInstanceOf(NotSentError);
    });

    test('fails at once when the client is closed', async () => {
      await impostor.consume(channel, queue);
      const { client } = await cutOff();
      const refused = rejection(client.request('refused', {}));
      await client.close();
      expect(await refused).toBeInstanceOf(ConnectionLostError);
      expect(patterns()).toEqual(['first']);
    });
  });

  describe('that is answered with an error', () => {
    @Controller()
    class Last {
      @MessagePattern('object')
      object(): never {
        throw new RpcException({ code: 7, message: 'no such order', order: 42 });
      }
      @MessagePattern('text')
      text(): never {
        throw new RpcException('out of stock');
      }
      @MessagePattern('unexpected')
      unexpected(): never {
        throw new Error('a secret of the service');
      }
    }

    test('rejects with a RemoteError, an RpcException that says what the other side sent and what was asked', async () => {
      await bench.serve([Last], { queue });
      const client = bench.client({ queue });
      const error = await rejection(client.request('object', {}));
      expect(error).toBeInstanceOf(RemoteError);
      expect(error).toBeInstanceOf(RpcException);
      const remote = error as RemoteError;
      expect(remote.name).toBe('RemoteError');
      expect(remote.pattern).toBe('object');
      expect(remote.message).toBe('request "object" was answered with an error: no such order');
      expect(remote.getError()).toEqual({ code: 7, message: 'no such order', order: 42 });
      const unknown = (await rejection(client.request('unheard-of', {}))) as RemoteError;
      expect(unknown.getError()).toBe('There is no matching message handler defined in the remote service.');
    });

    test.each([
      ['object', { code: 7, message: 'no such order', order: 42 }],
      ['text', { status: 'error', message: 'out of stock' }],
      ['unexpected', { status: 'error', message: 'Internal server error' }],
      [
        'unheard-of',
        { status: 'error', message: 'There is no matching message handler defined in the remote service.' },
      ],
    ])(
      '"%s": a handler in between that lets it through hands the same error to its own caller',
      async (pattern, sent) => {
        await bench.serve([Last], { queue: `${queue}.last` });
        void bench.deleteLater(`${queue}.last`);
        const between = bench.client({ queue: `${queue}.last` });
        @Controller()
        class Between {
          @MessagePattern('pass-on')
          passOn(@Payload() asked: string): Promise<unknown> {
            return between.request(asked, {});
          }
        }
        await bench.serve([Between], { queue });
        const client = bench.client({ queue });
        const error = (await rejection(client.request('pass-on', pattern))) as RemoteError;
        expect(error).toBeInstanceOf(RemoteError);
        expect(error.getError()).toEqual(sent);
        await expect(firstValueFrom(client.send('pass-on', pattern))).rejects.toEqual(sent);
      },
    );

    test('an event handler that lets it through is parked with its words', async () => {
      await bench.serve([Last], { queue: `${queue}.last` });
      void bench.deleteLater(`${queue}.last`);
      const between = bench.client({ queue: `${queue}.last` });
      @Controller()
      class Between {
        @EventPattern('happened')
        happened(): Promise<unknown> {
          return between.request('object', {});
        }
      }
      await bench.serve([Between], { queue });
      await lastValueFrom(bench.client({ queue }).emit('happened', {}), { defaultValue: undefined });
      let parked: Delivery | null = null;
      await until('it is parked', async () => {
        if (!(await channel.queueExists(`${queue}.parked`))) return false;
        parked = await channel.basicGet(`${queue}.parked`, { noAck: true });
        return parked !== null;
      });
      expect((parked as unknown as Delivery).properties.headers?.['x-leveret-error-message']).toContain(
        'no such order',
      );
    });
  });
});

describeOnEmbedded('a request of AmqpClient whose channel is closed', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';

  beforeEach(() => {
    bench.begin();
    queue = broker.unique('requests');
  });
  afterEach(() => bench.end());

  test.each([
    ['and comes back', undefined],
    ['for good (recovery: false)', false as const],
  ])('%s: what waits fails at once, and the next request is answered', async (_name, recovery) => {
    const impostor = new Impostor();
    await impostor.consume(await bench.channel(), queue);
    const client = bench.client({ queue, recovery, connectionName: 'asking' });
    const waiting = rejection(client.request('ask', {}));
    await impostor.request(0);
    const listeners = client.unwrap().listenerCount('lost');
    broker.embedded().faults.closeChannels('asking');
    expect(await waiting).toBeInstanceOf(ConnectionLostError);
    const asked = client.request('ask', {});
    await impostor.reply(await impostor.request(1), done('answer'));
    await expect(asked).resolves.toBe('answer');
    expect(client.unwrap().listenerCount('lost')).toBe(listeners);
  });

  test('right behind the confirm: what waits fails at once', async () => {
    const impostor = new Impostor();
    await impostor.consume(await bench.channel(), queue);
    const client = bench.client({ queue, connectionName: 'asking', transport: broker.embedded().memory() });
    const { faults } = broker.embedded();
    broker.embedded().on('published', () => {
      process.nextTick(() => faults.closeChannels('asking'));
    });
    expect(await rejection(client.request('ask', {}, { timeout: 3_000 }))).toBeInstanceOf(ConnectionLostError);
  });

  test.each([
    ['and comes back', undefined],
    ['for good (recovery: false)', false as const],
  ])('%s: events go out over another', async (_name, recovery) => {
    const channel = await bench.channel();
    await channel.queueDeclare(queue);
    const client = bench.client({ queue, recovery, connectionName: 'telling' });
    const emit = (): Promise<unknown> => lastValueFrom(client.emit('happened', {}), { defaultValue: undefined });
    await emit();
    broker.embedded().faults.closeChannels('telling');
    const isSent = (): Promise<boolean> =>
      emit().then(
        () => true,
        () => false,
      );
    await until('one is sent again', isSent, 3_000);
    expect((await channel.queueDeclare(queue, { passive: true })).messageCount).toBeGreaterThanOrEqual(2);
  });
});
