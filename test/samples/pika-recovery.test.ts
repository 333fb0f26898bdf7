/**
 * The counterparts of Pika's programs that recover, and of both recovery loops of its README, cut off from the broker by
 * a proxy, and closed by the broker itself.
 */
import { jest } from '@jest/globals';
import { describeOnBroker } from '../support/brokers.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/waiting.js';
import { Bench } from './bench.js';
import type { Program } from './programs.js';

// Processes take their time where the machine has much to do; each wait has a limit of its own.
jest.setTimeout(30_000);

describeOnBroker("the counterparts of Pika's recovery", (broker) => {
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

  /** The broker closes the connection: nobody tunes one that is open. */
  function closeConnection(proxy: TcpProxy): void {
    proxy.sayInItsName(0, 'connection.tune-ok', { channelMax: 10, frameMax: 8192, heartbeat: 0 });
  }

  /** The broker closes the channel: nobody has that queue. */
  function closeChannel(proxy: TcpProxy): void {
    proxy.sayInItsName(1, 'queue.declare', { queue: broker.unique('missing'), passive: true });
  }

  test('asynchronous-consumer: goes on over a cut, and ends when its consumer is cancelled', async () => {
    const proxy = await bench.openProxy();
    const [exchange, queue] = [bench.exchangeName('exchange'), bench.queueName('queue')];
    const program = bench.programs.start('asynchronous-consumer', proxy.url, exchange, queue);
    await program.says('Consuming as');
    await bench.channel.publish(exchange, 'example.text', 'one', { appId: 'a test' });
    await program.says('from a test: one');
    proxy.cut();
    await program.says('Consuming again');
    await bench.channel.publish(exchange, 'example.text', 'two');
    await program.says('from nobody: two');
    await bench.channel.queueDelete(queue);
    const output = await program.ends();
    expect(output).toContain('shutting down');
    expect(output).toMatch(/Stopped\n$/);
  });

  const recovering = [
    { name: 'blocking-consume-recover-multiple-hosts', again: 'recovered', hasArguments: 'exchange' },
    { name: 'blocking-consume-recover-multiple-hosts-retry', again: 'retrying', hasArguments: 'delay' },
    { name: 'readme-recovery-loop', again: 'recovering', hasArguments: 'none' },
    { name: 'readme-recovery-retry', again: 'retrying', hasArguments: 'delay' },
    { name: 'readme-recovery-built-in', again: 'recovering', hasArguments: 'delay' },
  ] as const;

  describe.each(recovering)('$name', ({ name, again, hasArguments }) => {
    const isMultiple = name.includes('multiple-hosts');

    async function start(proxy: TcpProxy): Promise<{ program: Program; queue: string }> {
      const queue = bench.queueName('queue');
      // Two of the programs declare a queue that goes with its last consumer.
      if (!isMultiple) await bench.channel.queueDeclare(queue);
      const urls = isMultiple ? `amqp://127.0.0.1:1 ${proxy.url}` : proxy.url;
      const more = { exchange: [bench.exchangeName('exchange'), queue], delay: [queue, '30'], none: [queue] };
      return { queue, program: bench.programs.start(name, urls, ...more[hasArguments]) };
    }

    test('goes on after a cut, and not after the broker closed the connection', async () => {
      const proxy = await bench.openProxy();
      const { program, queue } = await start(proxy);
      await program.says('consuming');
      await bench.send(queue, 'one');
      await program.says('one');
      proxy.cut();
      await program.says(again);
      await until('another consumer', async () => {
        const { consumerCount } = await bench.channel.queueDeclare(queue, { autoDelete: isMultiple });
        return proxy.connections === 2 && consumerCount === 1;
      });
      await bench.send(queue, 'two');
      await program.says('two');
      closeConnection(proxy);
      expect(await program.ends()).toContain('not recovering: the broker closed the connection');
      expect(proxy.connections).toBe(2);
    });
  });

  describe.each(['blocking-consume-recover-multiple-hosts', 'readme-recovery-loop', 'readme-recovery-built-in'])(
    '%s',
    (name) => {
      test('does not go on after an error of its channel', async () => {
        const proxy = await bench.openProxy();
        const queue = await bench.queue();
        const exchange = name.includes('multiple') ? [bench.exchangeName('exchange')] : [];
        if (exchange.length > 0) await bench.channel.queueDelete(queue);
        const program = bench.programs.start(name, proxy.url, ...exchange, queue);
        await program.says('consuming');
        closeChannel(proxy);
        expect(await program.ends()).toContain('not recovering: the broker closed the channel: 404');
        expect(proxy.connections).toBe(1);
      });
    },
  );
});
