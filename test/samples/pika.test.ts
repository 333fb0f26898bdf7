/**
 * The counterparts of Pika's documented examples, each run as a process of its own that has to exit by itself.
 *
 * Names are handed to the programs, so that runs beside each other on one broker do not meet.
 */
import { jest } from '@jest/globals';
import { describeOnBroker, describeOnRabbitmq } from '../support/brokers.js';
import { until } from '../support/waiting.js';
import { Bench } from './bench.js';

// Processes take their time where the machine has much to do; each wait has a limit of its own.
jest.setTimeout(30_000);

describeOnBroker("the counterparts of Pika's examples", (broker) => {
  let bench: Bench;

  beforeAll(async () => {
    bench = await Bench.open(broker, 'pika');
  });

  afterEach(async () => {
    await bench.endTest();
  });

  afterAll(async () => {
    await bench.close();
  });

  // --- publishing -----------------------------------------------------------------------------------

  test('comparing-publishing: what is published right before the end arrives', async () => {
    const exchange = bench.exchangeName('exchange');
    const queue = await bench.boundQueue(exchange, 'direct', 'key');
    await bench.programs.run('comparing-publishing', broker.url, exchange, 'key');
    const delivery = await bench.channel.basicGet(queue, { noAck: true });
    expect(delivery?.body.toString()).toBe('message body value');
    expect(delivery?.properties).toMatchObject({ contentType: 'text/plain', deliveryMode: 1 });
  });

  test('connecting-async: the end of the connection is told', async () => {
    const exchange = bench.exchangeName('exchange');
    const queue = await bench.boundQueue(exchange, 'direct', 'key');
    expect(await bench.programs.run('connecting-async', broker.url, exchange, 'key')).toBe('Connection closed\n');
    expect((await bench.channel.basicGet(queue, { noAck: true }))?.properties.type).toBe('example');
  });

  test('blocking-delivery-confirmations: a confirmed publish is in its queue', async () => {
    const queue = bench.queueName('queue');
    expect(await bench.programs.run('blocking-delivery-confirmations', broker.url, queue)).toContain('was confirmed');
    expect(await bench.bodies(queue)).toEqual(['Hello World!']);
  });

  test('blocking-publish-mandatory: published where there is a queue, returned where there is none', async () => {
    const queue = await bench.queue();
    expect(await bench.programs.run('blocking-publish-mandatory', broker.url, queue)).toContain('was published');
    expect(await bench.bodies(queue)).toEqual(['Hello World!']);
    const missing = broker.unique('missing');
    expect(await bench.programs.run('blocking-publish-mandatory', broker.url, missing)).toContain(
      'returned: 312 NO_ROUTE',
    );
  });

  test('confirmation: a hundred publishes in flight, each with its outcome', async () => {
    const exchange = bench.exchangeName('exchange');
    const queue = await bench.boundQueue(exchange, 'direct', 'key');
    const output = await bench.programs.run('confirmation', broker.url, exchange, 'key');
    expect(output).toContain('published 100, confirmed 100, 0 errors');
    expect(await bench.count(queue)).toBe(100);
    expect(await bench.programs.run('confirmation', broker.url, broker.unique('missing'), 'key')).toContain(
      '100 errors',
    );
  });

  test('publish: three messages, in order, with pauses', async () => {
    const exchange = bench.exchangeName('exchange');
    const queue = await bench.boundQueue(exchange, 'direct', 'standard_key', 'group_key');
    await bench.programs.run('publish', broker.url, exchange, '20');
    expect(await bench.bodies(queue)).toEqual(['queue:group', 'Message to group_key', 'Message to standard_key']);
  });

  test('long-running-publisher: publishes until Ctrl-C, then stops cleanly', async () => {
    const queue = bench.queueName('queue');
    const program = bench.programs.start('long-running-publisher', broker.url, queue, '20');
    await program.says('Message 2');
    program.interrupt();
    expect(await program.ends()).toMatch(/Stopping\.\.\.\nStopped\n$/);
    expect((await bench.bodies(queue)).slice(0, 3)).toEqual(['Message 0', 'Message 1', 'Message 2']);
  });

  test('asynchronous-publisher: goes on over a cut, with headers in any script', async () => {
    const proxy = await bench.openProxy();
    const [exchange, queue] = [bench.exchangeName('exchange'), bench.queueName('queue')];
    const program = bench.programs.start('asynchronous-publisher', proxy.url, exchange, queue, 'example.text', '20');
    await program.says('confirmed: 2');
    proxy.cut();
    await program.says('Connection recovered');
    await program.says('Published so far', program.output.split('Published so far').length);
    program.interrupt();
    expect(await program.ends()).toContain('Connection lost');
    const delivery = await bench.channel.basicGet(queue, { noAck: true });
    expect(delivery?.body.toString()).toBe('"مفتاح قيمة 键 值 キー 値"');
    expect(delivery?.properties.headers).toEqual({ مفتاح: 'قيمة', 键: '值', キー: '値' });
  });

  // --- consuming ------------------------------------------------------------------------------------

  test('blocking-basic-get: one message, then none', async () => {
    const queue = await bench.queue('one');
    expect(await bench.programs.run('blocking-basic-get', broker.url, queue)).toMatch(/^one .* 0 left/);
    expect(await bench.programs.run('blocking-basic-get', broker.url, queue)).toBe('No message returned\n');
  });

  test('blocking-consume: each message once, acknowledged, until Ctrl-C', async () => {
    const queue = await bench.queue('one', 'two');
    const program = bench.programs.start('blocking-consume', broker.url, queue);
    await program.says('two');
    program.interrupt();
    expect(await program.ends()).toMatch(/1 one\n.*2 two\n/s);
    expect(await bench.count(queue)).toBe(0);
  });

  test('blocking-consumer-generator: ten messages of twelve; the others go back', async () => {
    const bodies = Array.from({ length: 12 }, (_none, index) => `message ${String(index + 1)}`);
    const queue = await bench.queue(...bodies);
    const output = await bench.programs.run('blocking-consumer-generator', broker.url, queue);
    expect(output).toContain('message 10');
    expect(output).toContain('Requeued 2 messages');
    await bench.countIs(queue, 2);
    expect(await bench.bodies(queue)).toEqual(['message 11', 'message 12']);
  });

  test('consume: a queue of its own, with data handed to the callback', async () => {
    const [exchange, queue] = [bench.exchangeName('exchange'), broker.unique('queue')];
    const program = bench.programs.start('consume', broker.url, exchange, queue, 'key');
    await program.says('consuming');
    await bench.channel.publish(exchange, 'key', 'hello');
    await program.says('User data: on_message_userdata, message body: hello');
    program.interrupt();
    await program.ends();
    await until('the exclusive queue is gone', async () => !(await bench.channel.queueExists(queue)));
  });

  test.each(['consumer-simple', 'consumer-queued'])('%s: binds what producer orders', async (name) => {
    const prefix = broker.unique('micex');
    bench.forget([], [`${prefix}.sten`, `${prefix}.lasttrades`]);
    const consumer = bench.programs.start(name, broker.url, prefix, '1');
    await consumer.says('consuming');
    if (name === 'consumer-simple') await consumer.says('Hello world');
    expect((await bench.programs.run('producer', broker.url, prefix)).match(/send ticker MXSE/g)).toHaveLength(10);
    await consumer.says('bound ok', 10);
    consumer.interrupt();
    await consumer.ends();
  });

  test('async-as-callback: an asynchronous callback with typed bodies, by priority', async () => {
    const [exchange, queue] = [bench.exchangeName('exchange'), bench.queueName('queue')];
    const output = await bench.programs.run('async-as-callback', broker.url, exchange, queue);
    expect(output).toBe(
      'job-2: the image at https://example.com/early.png\njob-1: the image at https://example.com/late.png\n',
    );
  });

  test('direct-reply-to: a request and its reply', async () => {
    const output = await bench.programs.run('direct-reply-to', broker.url, broker.unique('rpc'));
    expect(output).toContain('RPC Server got request: Marco');
    expect(output).toMatch(/RPC Client got reply: Polo\nRPC Client says bye\n$/);
  });

  test('twisted-service: answers requests, and runs two tasks at a time', async () => {
    const exchange = bench.exchangeName('foobar');
    bench.forget(['request1', 'request2', 'request3', 'task'].map((key) => `${exchange}.${key}`));
    const responses = await bench.boundQueue(exchange, 'topic', 'response');
    const program = bench.programs.start('twisted-service', broker.url, exchange, '100');
    await program.says('serving');
    for (const key of ['task', 'task', 'task', 'request1', 'request3']) {
      await bench.channel.publish(exchange, key, `for ${key}`);
    }
    await program.says('task completed', 3);
    await bench.countIs(responses, 2);
    expect(await bench.bodies(responses)).toEqual(['for request1', 'for request3']);
    program.interrupt();
    const output = await program.ends();
    // The third task is handed over only when one of the first two is done.
    expect(output.lastIndexOf('for task')).toBeGreaterThan(output.indexOf('task completed'));
    expect(await bench.count(`${exchange}.task`)).toBe(0);
  });

  // --- connections ----------------------------------------------------------------------------------

  test('heartbeat-and-blocked-timeouts: the connection has the heartbeat that was asked for', async () => {
    const queue = await bench.queue();
    const output = await bench.programs.run('heartbeat-and-blocked-timeouts', broker.url, queue);
    expect(output).toBe('heartbeat: 600 s\n');
    expect(await bench.bodies(queue)).toEqual(['abc']);
  });

  test('using-urlparameters: what the URI says is what the connection has', async () => {
    const output = await bench.programs.run('using-urlparameters', broker.url);
    expect(output).toContain('heartbeat 30 s, at most 10 channels');
  });

  test('basic-publisher-threaded: five threads publish over one connection', async () => {
    const proxy = await bench.openProxy();
    const [exchange, queue] = [bench.exchangeName('exchange'), bench.queueName('queue')];
    const output = await bench.programs.run('basic-publisher-threaded', proxy.url, exchange, queue);
    expect(output).toContain('All published');
    expect((await bench.bodies(queue)).sort()).toEqual(['1', '2', '3', '4', '5'].map((name) => `message ${name}`));
    expect(proxy.connections).toBe(1);
  });
});

// Once, and where heartbeats are checked by somebody else: it takes its time.
describeOnRabbitmq("the counterpart of Pika's consumer with a thread", (broker) => {
  let bench: Bench;

  beforeAll(async () => {
    bench = await Bench.open(broker, 'pika');
  });

  afterEach(async () => {
    await bench.endTest();
  });

  afterAll(async () => {
    await bench.close();
  });

  test('basic-consumer-threaded: a handler may compute for three heartbeats', async () => {
    const [exchange, queue] = [bench.exchangeName('exchange'), bench.queueName('queue')];
    const program = bench.programs.start('basic-consumer-threaded', broker.url, exchange, queue, '1', '3500');
    await program.says('Consuming');
    await bench.send(queue, 'long');
    await program.says('settled long: sent');
    program.interrupt();
    expect(await program.ends()).not.toContain('lost');
    expect(await bench.count(queue)).toBe(0);
  });
});
