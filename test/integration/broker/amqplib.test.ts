/** Another client cannot tell: amqplib against the embedded broker, over a real socket. */
import amqp, { type Channel, type ChannelModel, type ConfirmChannel, type GetMessage } from 'amqplib';
import { once } from 'node:events';
import { EmbeddedBroker, type EmulatedVersion } from '../../../lib/broker/index.js';

let broker: EmbeddedBroker;
let connection: ChannelModel;

beforeEach(async () => {
  broker = await EmbeddedBroker.start({
    port: 0,
    users: [
      { name: 'alice', password: 'secret' },
      { name: 'reader', password: 'r', virtualHosts: { '/': { configure: '^$', write: '^$', read: '.*' } } },
    ],
    virtualHosts: ['other'],
  });
  connection = await open();
});

afterEach(async () => {
  await broker.stop();
});

async function open(url = broker.url): Promise<ChannelModel> {
  const opened = await amqp.connect(url, { clientProperties: { connection_name: 'amqplib' } });
  opened.on('error', () => undefined);
  return opened;
}

/** A channel whose error is kept, not thrown. */
async function channel(from = connection): Promise<Channel> {
  const opened = await from.createChannel();
  opened.on('error', () => undefined);
  return opened;
}

async function confirmChannel(): Promise<ConfirmChannel> {
  const opened = await connection.createConfirmChannel();
  opened.on('error', () => undefined);
  return opened;
}

/** Takes so many deliveries of a queue, without acknowledging them. */
async function take(from: Channel, queue: string, count: number): Promise<GetMessage[]> {
  const taken: GetMessage[] = [];
  for (let index = 0; index < count; index++) {
    const message = await from.get(queue);
    if (message) taken.push(message);
  }
  return taken;
}

const contents = (messages: readonly GetMessage[]): string[] => messages.map(({ content }) => content.toString());

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('publishing and consuming', () => {
  it('carries messages from publisher to consumer, with their properties, in order', async () => {
    const publisher = await confirmChannel();
    await publisher.assertExchange('shop', 'topic');
    const { queue } = await publisher.assertQueue('', { exclusive: true });
    expect(queue).toMatch(/^amq\.gen-/);
    await publisher.bindQueue(queue, 'shop', 'order.*');
    const received: string[] = [];
    const complete = new Promise<void>((resolve) => {
      void publisher.consume(queue, (message) => {
        if (!message) return;
        expect(message.properties).toMatchObject({ contentType: 'text/plain', headers: { n: 1 }, deliveryMode: 2 });
        expect(message.fields).toMatchObject({ exchange: 'shop', routingKey: 'order.created', redelivered: false });
        received.push(message.content.toString());
        publisher.ack(message);
        if (received.length === 500) resolve();
      });
    });
    for (let index = 0; index < 500; index++) {
      const options = { contentType: 'text/plain', headers: { n: 1 }, persistent: true };
      publisher.publish('shop', 'order.created', Buffer.from(String(index)), options);
    }
    await publisher.waitForConfirms();
    await complete;
    expect(received).toEqual(Array.from({ length: 500 }, (_, index) => String(index)));
  });

  it('carries a body of several frames', async () => {
    const publisher = await confirmChannel();
    await publisher.assertQueue('large');
    const body = Buffer.alloc(700_000, 'leveret');
    publisher.sendToQueue('large', body);
    await publisher.waitForConfirms();
    const [message] = await take(publisher, 'large', 1);
    expect(message?.content.equals(body)).toBe(true);
  });

  it('returns an unroutable mandatory message before it confirms it', async () => {
    const publisher = await confirmChannel();
    const order: string[] = [];
    publisher.on('return', (message: GetMessage) => order.push(`returned ${message.content.toString()}`));
    await new Promise<void>((resolve) => {
      publisher.publish('', 'nobody', Buffer.from('x'), { mandatory: true }, () => {
        order.push('confirmed');
        resolve();
      });
    });
    expect(order).toEqual(['returned x', 'confirmed']);
  });

  it('refuses with a nack what a full queue rejects', async () => {
    const publisher = await confirmChannel();
    await publisher.assertQueue('full', { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } });
    publisher.sendToQueue('full', Buffer.from('1'));
    await publisher.waitForConfirms();
    publisher.sendToQueue('full', Buffer.from('2'));
    await expect(publisher.waitForConfirms()).rejects.toThrow();
  });

  it('keeps to the prefetch of each consumer', async () => {
    const consumer = await channel();
    await consumer.assertQueue('work');
    for (let index = 0; index < 5; index++) consumer.sendToQueue('work', Buffer.from(String(index)));
    await consumer.prefetch(2);
    const deliveries: GetMessage[] = [];
    await consumer.consume('work', (message) => message && deliveries.push(message as never));
    await pause(50);
    expect(contents(deliveries)).toEqual(['0', '1']);
    expect(broker.inspect.queue('work')).toMatchObject({ messageCount: 3, unackedCount: 2, consumerCount: 1 });
    const [first] = deliveries;
    if (first) consumer.ack(first);
    await pause(50);
    expect(contents(deliveries)).toEqual(['0', '1', '2']);
  });

  it.each<[EmulatedVersion, number]>([
    ['3.10', 3],
    // What 4.3 makes of it, unless it is told to permit it: a limit of each consumer.
    ['4.3', 4],
  ])('keeps to the prefetch of the channel as %s does', async (emulate, expected) => {
    await broker.stop();
    broker = await EmbeddedBroker.start({ port: 0, emulate });
    const consumer = await channel(await open());
    await consumer.assertQueue('a');
    await consumer.assertQueue('b');
    for (const queue of ['a', 'a', 'b', 'b']) consumer.sendToQueue(queue, Buffer.from(queue));
    await consumer.prefetch(3, true);
    let count = 0;
    await consumer.consume('a', () => count++);
    await consumer.consume('b', () => count++);
    await pause(50);
    expect(count).toBe(expected);
  });

  it('shares messages among consumers in turn', async () => {
    const consumer = await channel();
    await consumer.assertQueue('turns');
    const order: string[] = [];
    for (const tag of ['a', 'b', 'c']) {
      await consumer.consume('turns', () => order.push(tag), { consumerTag: tag, noAck: true });
    }
    for (let index = 0; index < 6; index++) consumer.sendToQueue('turns', Buffer.from('x'));
    await pause(50);
    expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('puts requeued messages back where they were, marked as redelivered', async () => {
    const consumer = await channel();
    await consumer.assertQueue('back');
    for (const text of ['1', '2', '3', '4']) consumer.sendToQueue('back', Buffer.from(text));
    const [one, two, three] = await take(consumer, 'back', 3);
    if (!one || !two || !three) throw new Error('messages are missing');
    consumer.nack(two);
    consumer.reject(one);
    consumer.nack(three);
    const again = await take(consumer, 'back', 4);
    expect(contents(again)).toEqual(['1', '2', '3', '4']);
    expect(again.map(({ fields }) => fields.redelivered)).toEqual([true, true, true, false]);
  });

  it('gives back what a closed channel or a lost connection left unacknowledged', async () => {
    const control = await channel();
    await control.assertQueue('left');
    control.sendToQueue('left', Buffer.from('x'));
    const first = await channel();
    await take(first, 'left', 1);
    await first.close();
    const second = await channel(await open());
    expect((await take(second, 'left', 1))[0]?.fields.redelivered).toBe(true);
    broker.faults.dropAll();
    await pause(50);
    expect(broker.inspect.queue('left')).toMatchObject({ messageCount: 1, unackedCount: 0 });
  });

  it('gets, purges and deletes', async () => {
    const control = await channel();
    await control.assertQueue('bin');
    expect(await control.get('bin')).toBe(false);
    control.sendToQueue('bin', Buffer.from('1'));
    control.sendToQueue('bin', Buffer.from('2'));
    expect(await control.checkQueue('bin')).toMatchObject({ messageCount: 2, consumerCount: 0 });
    expect(await control.purgeQueue('bin')).toEqual({ messageCount: 2 });
    control.sendToQueue('bin', Buffer.from('3'));
    expect(await control.deleteQueue('bin')).toEqual({ messageCount: 1 });
    expect(await control.deleteQueue('bin')).toEqual({ messageCount: 0 });
  });

  it('answers direct replies, and only while somebody waits for them', async () => {
    const requester = await channel();
    const responder = await channel();
    await responder.assertQueue('rpc');
    let replyAddress = '';
    await responder.consume(
      'rpc',
      (request) => {
        replyAddress = String(request?.properties.replyTo);
        responder.sendToQueue(replyAddress, Buffer.from(`re: ${request?.content.toString() ?? ''}`));
      },
      { noAck: true },
    );
    const reply = new Promise<string>((resolve) => {
      void requester.consume('amq.rabbitmq.reply-to', (message) => resolve(message?.content.toString() ?? ''), {
        noAck: true,
      });
    });
    await pause(20);
    requester.sendToQueue('rpc', Buffer.from('hello'), { replyTo: 'amq.rabbitmq.reply-to' });
    expect(await reply).toBe('re: hello');
    await requester.close();
    const publisher = await confirmChannel();
    const returned = once(publisher, 'return');
    publisher.publish('', replyAddress, Buffer.from('late'), { mandatory: true });
    await returned;
  });
});

describe('dead letters and time to live', () => {
  async function deadLetterQueue(control: Channel, table: object): Promise<void> {
    await control.assertExchange('dlx', 'fanout');
    await control.assertQueue('dead');
    await control.bindQueue('dead', 'dlx', '');
    await control.assertQueue('source', { arguments: { 'x-dead-letter-exchange': 'dlx', ...table } });
  }

  it('dead-letters what is rejected', async () => {
    const control = await channel();
    await deadLetterQueue(control, { 'x-dead-letter-routing-key': 'why' });
    control.sendToQueue('source', Buffer.from('x'), { headers: { kept: true } });
    const [message] = await take(control, 'source', 1);
    if (message) control.reject(message, false);
    const [dead] = await take(control, 'dead', 1);
    expect(dead?.fields.routingKey).toBe('why');
    expect(dead?.properties.headers).toMatchObject({
      kept: true,
      'x-death': [{ count: 1, reason: 'rejected', queue: 'source', exchange: '', 'routing-keys': ['source'] }],
      'x-first-death-reason': 'rejected',
      'x-first-death-queue': 'source',
    });
  });

  it.each([
    ['the queue', { 'x-message-ttl': 30 }, {}],
    ['the message', {}, { expiration: '30' }],
  ])('dead-letters what expires by a limit of %s', async (_whose, table, options) => {
    const control = await channel();
    await deadLetterQueue(control, table);
    control.sendToQueue('source', Buffer.from('x'), options);
    await pause(120);
    const [dead] = await take(control, 'dead', 1);
    expect(dead?.properties.headers?.['x-death']?.[0]).toMatchObject({ reason: 'expired', queue: 'source' });
    expect(dead?.properties.expiration).toBeUndefined();
  });

  it('dead-letters the oldest when the queue is full', async () => {
    const control = await channel();
    await deadLetterQueue(control, { 'x-max-length': 1 });
    for (const text of ['1', '2']) control.sendToQueue('source', Buffer.from(text));
    expect(contents(await take(control, 'dead', 1))).toEqual(['1']);
    expect(contents(await take(control, 'source', 1))).toEqual(['2']);
  });

  it('delays by a queue that expires into another, again and again', async () => {
    const control = await channel();
    await control.assertQueue('work', {
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'wait' },
    });
    await control.assertQueue('wait', {
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'work', 'x-message-ttl': 20 },
    });
    control.sendToQueue('work', Buffer.from('x'));
    const counts: unknown[] = [];
    await new Promise<void>((resolve) => {
      void control.consume('work', (message) => {
        if (!message) return;
        counts.push(message.properties.headers?.['x-death']?.find(({ queue }) => queue === 'work')?.count);
        if (counts.length < 3) {
          control.reject(message, false);
        } else {
          control.ack(message);
          resolve();
        }
      });
    });
    expect(counts).toEqual([undefined, 1, 2]);
  });

  it('drops a message that a quorum queue delivered too often', async () => {
    const control = await channel();
    await control.assertQueue('limited', { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 1 } });
    control.sendToQueue('limited', Buffer.from('x'));
    for (let attempt = 0; attempt < 2; attempt++) {
      const [message] = await take(control, 'limited', 1);
      if (message) control.reject(message, true);
    }
    expect(await control.get('limited')).toBe(false);
  });
});

describe('errors', () => {
  /** Runs a call that the broker refuses on a channel of its own; answers the error. */
  async function refusal(call: (on: Channel) => unknown): Promise<{ code: number; message: string }> {
    const on = await channel();
    const closed = new Promise<{ code: number; message: string }>((resolve) => {
      on.on('error', resolve);
    });
    try {
      await call(on);
    } catch {
      // The same error comes as an event.
    }
    return closed;
  }

  it.each<[string, number, string, (on: Channel) => unknown]>([
    ['a queue that is not there', 404, "NOT_FOUND - no queue 'x' in vhost '/'", (on) => on.checkQueue('x')],
    ['an exchange that is not there', 404, "NOT_FOUND - no exchange 'x' in vhost '/'", (on) => on.checkExchange('x')],
    [
      'publishing to no exchange',
      404,
      "NOT_FOUND - no exchange 'x' in vhost '/'",
      (on) => on.publish('x', '', Buffer.alloc(0)),
    ],
    [
      'a queue declared otherwise',
      406,
      "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
      async (on) => {
        await on.assertQueue('q');
        await on.assertQueue('q', { durable: false });
      },
    ],
    [
      'an exchange declared otherwise',
      406,
      "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': received 'fanout' but current is 'topic'",
      (on) => on.assertExchange('amq.topic', 'fanout'),
    ],
    [
      'a reserved name',
      403,
      "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'",
      (on) => on.assertQueue('amq.x'),
    ],
    [
      'an unknown exchange type',
      406,
      "PRECONDITION_FAILED - invalid exchange type 'bogus'",
      (on) => on.assertExchange('b', 'bogus'),
    ],
    [
      'a delivery tag that is not there',
      406,
      'PRECONDITION_FAILED - unknown delivery tag 9',
      (on) => on.ack({ fields: { deliveryTag: 9 } } as GetMessage),
    ],
    [
      'a transient quorum queue',
      406,
      "PRECONDITION_FAILED - invalid property 'non-durable' for queue 't' in vhost '/'",
      (on) => on.assertQueue('t', { durable: false, arguments: { 'x-queue-type': 'quorum' } }),
    ],
    [
      'no reply consumer',
      406,
      'PRECONDITION_FAILED - fast reply consumer does not exist',
      (on) => on.publish('', 'q', Buffer.alloc(0), { replyTo: 'amq.rabbitmq.reply-to' }),
    ],
    [
      'a foreign user id',
      406,
      "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'",
      (on) => on.publish('', 'q', Buffer.alloc(0), { userId: 'bob' }),
    ],
    [
      'a second consumer beside an exclusive one',
      403,
      "ACCESS_REFUSED - queue 'e' in vhost '/' in exclusive use",
      async (on) => {
        await on.assertQueue('e');
        await on.consume('e', () => undefined, { exclusive: true });
        await on.consume('e', () => undefined);
      },
    ],
  ])('%s: %d', async (_what, code, text, call) => {
    const error = await refusal(call);
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    // The connection goes on.
    await (await channel()).assertQueue('after');
  });

  it("locks a queue that is exclusive to another connection, and deletes it with its owner's", async () => {
    const owner = await open();
    await (await channel(owner)).assertQueue('mine', { exclusive: true });
    const error = await refusal((on) => on.checkQueue('mine'));
    expect(error.code).toBe(405);
    expect(error.message).toContain("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine'");
    await owner.close();
    expect(broker.inspect.queue('mine')).toBeUndefined();
  });

  it('ends the connection when a consumer tag is used twice', async () => {
    const on = await channel();
    await on.assertQueue('q');
    await on.consume('q', () => undefined, { consumerTag: 't' });
    const closed = once(connection, 'error') as Promise<[{ code: number; message: string }]>;
    await on.consume('q', () => undefined, { consumerTag: 't' }).catch(() => undefined);
    const [error] = await closed;
    expect(error.code).toBe(530);
    expect(error.message).toContain("NOT_ALLOWED - attempt to reuse consumer tag 't'");
  });

  it('refuses a wrong password, an unknown virtual host and a missing permission', async () => {
    const { port } = broker;
    await expect(amqp.connect(`amqp://guest:wrong@127.0.0.1:${port}`)).rejects.toThrow(
      /403.*ACCESS_REFUSED - Login was/s,
    );
    await expect(amqp.connect(`${broker.url}/nowhere`)).rejects.toThrow('ConnectionClose');
    await expect(amqp.connect(`amqp://reader:r@127.0.0.1:${port}/other`)).rejects.toThrow('ConnectionClose');
    await (await open(`amqp://alice:secret@127.0.0.1:${port}/other`)).close();
    const reader = await channel(await open(`amqp://reader:r@127.0.0.1:${port}`));
    await expect(reader.assertQueue('x')).rejects.toThrow(
      /403.*configure access to queue 'x' in vhost '\/' refused for user 'reader'/s,
    );
  });

  it.each<[EmulatedVersion, RegExp]>([
    ['3.10', /503.*COMMAND_INVALID - invalid exchange type 'bogus'/s],
    ['4.3', /406.*PRECONDITION_FAILED - invalid exchange type 'bogus'/s],
  ])('emulates %s', async (emulate, expected) => {
    const other = await EmbeddedBroker.start({ port: 0, emulate });
    const client = await open(other.url);
    const on = await channel(client);
    const failed = Promise.race([once(client, 'error'), once(on, 'error')]) as Promise<[Error]>;
    await on.assertExchange('b', 'bogus').catch(() => undefined);
    expect((await failed)[0].message).toMatch(expected);
    await other.stop();
  });
});

describe('life', () => {
  it('tells consumers when their queue is deleted', async () => {
    const consumer = await channel();
    await consumer.assertQueue('gone');
    const cancelled = new Promise((resolve) => {
      void consumer.consume('gone', resolve);
    });
    await (await channel()).deleteQueue('gone');
    expect(await cancelled).toBeNull();
  });

  it('deletes an auto-delete queue with its last consumer', async () => {
    const consumer = await channel();
    await consumer.assertQueue('auto', { autoDelete: true });
    const { consumerTag } = await consumer.consume('auto', () => undefined);
    expect(broker.inspect.queue('auto')).toBeDefined();
    await consumer.cancel(consumerTag);
    expect(broker.inspect.queue('auto')).toBeUndefined();
  });

  it('deletes a queue that nobody uses for as long as x-expires says', async () => {
    await (await channel()).assertQueue('short', { arguments: { 'x-expires': 40 } });
    await pause(120);
    expect(broker.inspect.queue('short')).toBeUndefined();
  });

  it('cuts every connection at once, and keeps queues and messages', async () => {
    const control = await confirmChannel();
    await control.assertQueue('kept');
    control.sendToQueue('kept', Buffer.from('x'));
    await control.waitForConfirms();
    const second = await open();
    const closed = Promise.all([connection, second].map((each) => new Promise((resolve) => each.on('close', resolve))));
    expect(broker.faults.dropAll()).toBe(2);
    await closed;
    expect(broker.inspect.connections()).toEqual([]);
    expect(broker.inspect.queue('kept')).toMatchObject({ messageCount: 1 });
    const again = await channel(await open());
    expect(contents(await take(again, 'kept', 1))).toEqual(['x']);
  });

  it('blocks connections that publish, and lets them go on', async () => {
    const publisher = await channel();
    await publisher.assertQueue('q');
    const blocked = once(connection, 'blocked');
    broker.faults.blockAll('low on patience');
    publisher.sendToQueue('q', Buffer.from('x'));
    expect((await blocked)[0]).toBe('low on patience');
    const unblocked = once(connection, 'unblocked');
    broker.faults.unblockAll();
    await unblocked;
    await publisher.checkQueue('q');
  });

  it('tells observers what was published, delivered and settled', async () => {
    const control = await channel();
    await control.assertQueue('watched');
    const seen: string[] = [];
    broker.on('published', ({ queues }) => seen.push(`published to ${queues.join()}`));
    broker.on('delivered', ({ queue, attempts }) => seen.push(`delivered ${queue} ${attempts}`));
    broker.on('settled', ({ outcome, attempts }) => seen.push(`${outcome} ${attempts}`));
    control.sendToQueue('watched', Buffer.from('x'));
    const [first] = await take(control, 'watched', 1);
    if (first) control.nack(first);
    const [second] = await take(control, 'watched', 1);
    if (second) control.ack(second);
    await control.checkQueue('watched');
    expect(seen).toEqual(['published to watched', 'delivered watched 1', 'requeue 1', 'delivered watched 2', 'ack 2']);
  });

  it('stops twice, frees its port, and refuses what comes later', async () => {
    const { url } = broker;
    await Promise.all([broker.stop(), broker.stop()]);
    await expect(amqp.connect(url)).rejects.toThrow();
    expect(() => broker.url).toThrow('stopped');
  });

  it('has no URL in memory only', async () => {
    const silent = await EmbeddedBroker.start();
    expect(() => silent.url).toThrow('in memory only');
    await silent.stop();
  });
});
