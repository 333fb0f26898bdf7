/** How an application starts: with a broker that is not there yet, and `start: 'wait' | 'fail' | 'background'`. */
import { ConfigurationError, ConsumerRegistry, PublisherFactory, RecoveryService } from 'leveret';
import { ConnectionRefusedError, connectTcp, NotSentError, type TransportFactory } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  recordingConsumer,
  startApplication,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

/** A broker that can be reached from `open` on. */
class Gate {
  attempts = 0;
  #isOpen = false;

  open(): void {
    this.#isOpen = true;
  }

  readonly transport: TransportFactory = async (endpoint, signal) => {
    this.attempts += 1;
    if (!this.#isOpen) throw new ConnectionRefusedError('nobody listens there');
    return connectTcp(endpoint, signal);
  };
}

describeOnBroker('the start of an application', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test("start: 'fail' asks once and fails with the cause", async () => {
    const gate = new Gate();
    const options = { url: broker.url, transport: gate.transport, start: 'fail', retryDelay: 10 } as const;
    expect(await rejection(startApplication(options, {}))).toMatchObject({ message: 'nobody listens there' });
    expect(gate.attempts).toBe(1);
  });

  test("start: 'background' goes on without the broker; then all of it comes, and what was published goes out", async () => {
    const gate = new Gate();
    const queue = broker.unique('background');
    const { Orders, seen } = recordingConsumer(queue);
    const options = { url: broker.url, transport: gate.transport, start: 'background', retryDelay: 10 } as const;
    const { app, log } = await startApplication(options, { providers: [Orders] });
    const registry = app.get(ConsumerRegistry);
    expect(registry.isReady).toBe(false);
    expect(registry.status()).toMatchObject([{ name: 'Orders.onOrder', state: 'starting', isConsuming: false }]);
    expect(app.get(RecoveryService).connections()).toEqual([]);
    const published = app.get(PublisherFactory).create().publish(queue, { id: 1 });
    await eventually(() => expect(gate.attempts).toBeGreaterThan(1));
    gate.open();
    await published;
    await eventually(() => expect(seen).toEqual([{ id: 1 }]));
    // A delivery may overtake the answer to the consume.
    await eventually(() => expect(registry.isReady).toBe(true));
    const told = log.texts().filter((line) => line.includes('ready'));
    expect(told).toEqual([
      expect.stringContaining('connection "default" is not ready: nobody listens there; trying on in the background'),
      expect.stringContaining('connection "default" is ready'),
    ]);
  });

  test('in the background a queue that is not there is waited for, too', async () => {
    const queue = broker.unique('background-queue');
    const { Orders, seen } = recordingConsumer({ queue, declare: false });
    const { log } = await startApplication({ url: broker.url, start: 'background' }, { providers: [Orders] });
    await eventually(() => expect(log.texts('warn').join()).toContain(`the queue "${queue}" is not there`));
    await bystander.channel.queueDeclare(queue);
    await bystander.send(queue, JSON.stringify('there'));
    await eventually(() => expect(seen).toEqual(['there']));
  });

  test('publishes that wait for the first connect are bounded, and are refused when the application closes', async () => {
    const gate = new Gate();
    const publishBuffer = { messages: 3, bytes: 1_000, timeout: 60_000 };
    const { app } = await startApplication(
      { url: broker.url, transport: gate.transport, start: 'background', publishBuffer },
      {},
    );
    const publisher = app.get(PublisherFactory).create();
    const big = await rejection(publisher.publish('nowhere', 'x'.repeat(1_001)));
    expect(big).toBeInstanceOf(NotSentError);
    expect(big.message).toContain('publishes with 1000 bytes may wait, no more');
    const aborting = new AbortController();
    const aborted = rejection(publisher.publish('nowhere', 1, { signal: aborting.signal }));
    const late = rejection(publisher.publish('nowhere', 2, { timeout: 20 }));
    const waiting = rejection(publisher.publish('nowhere', 3));
    const tooMany = await rejection(publisher.publish('nowhere', 4));
    expect(tooMany.message).toContain('3 publishes wait already');
    aborting.abort();
    for (const [outcome, words] of [
      [aborted, 'it was aborted'],
      [late, 'was not ready within 20 ms'],
    ] as const) {
      expect(await outcome).toBeInstanceOf(NotSentError);
      expect((await outcome).message).toContain(words);
    }
    await closeApplication(app);
    expect((await waiting).message).toContain('the application closed before');
    const attempts = gate.attempts;
    await pause(1_200);
    expect(gate.attempts).toBe(attempts);
  });

  test('parameters that are wrong end the start in the background, too', async () => {
    const options = { url: broker.url, heartbeat: -1, start: 'background' } as const;
    const error = await rejection(startApplication(options, {}));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('heartbeat');
  });

  test('an application that closes before its broker came ends at once, and consumes nothing then', async () => {
    const gate = new Gate();
    const queue = broker.unique('never');
    const { Orders, seen } = recordingConsumer(queue);
    const { app } = await startApplication(
      { url: broker.url, transport: gate.transport, start: 'background' },
      { providers: [Orders] },
    );
    await closeApplication(app);
    gate.open();
    await pause(1_200);
    expect(await bystander.channel.queueExists(queue)).toBe(false);
    expect(seen).toEqual([]);
  });
});
