/** A memory alarm on a real RabbitMQ: it reads no more from connections that publish, and says so. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect, NotSentError, type Connection } from 'leveret/amqp';
import { rejection, until } from '../../support/waiting.js';

const url = process.env['AMQP_URL'] ?? '';
const control = process.env['LEVERET_TEST_RABBITMQCTL'] ?? '';

async function setHighWatermark(fraction: string): Promise<void> {
  await promisify(execFile)(control, ['set_vm_memory_high_watermark', fraction]);
}

describe('a broker short of memory (RabbitMQ)', () => {
  if (url === '' || control === '') {
    test.skip('needs a RabbitMQ that the tests may control: LEVERET_TEST_RABBITMQCTL is not set', () => undefined);
    return;
  }
  const connections: Connection[] = [];

  afterEach(async () => {
    await setHighWatermark('0.6');
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
  }, 60_000);

  test('publishes wait or fail, as asked; close is bounded; all goes on after it', async () => {
    const waiting = await connect(url);
    const failing = await connect(url, { publishBuffer: { timeout: 0 } });
    const leaving = await connect(url, { closeTimeout: 500 });
    const looker = await connect(url);
    connections.push(waiting, failing, leaving, looker);
    const looking = await looker.openChannel();
    const { queue } = await looking.queueDeclare('', { durable: false, exclusive: true });
    const channels = await Promise.all(
      [waiting, failing, leaving].map((connection) => connection.openChannel({ confirm: true })),
    );
    const events: string[] = [];
    waiting.on('blocked', ({ reason }) => events.push(`blocked: ${reason}`));
    waiting.on('unblocked', () => events.push('unblocked'));
    const [first, second, third] = channels;
    if (!first || !second || !third) throw new Error('three channels were opened');

    await setHighWatermark('0.0000001');
    // Only who publishes under the alarm is blocked, and told so; this publish was sent before that.
    const firstPublishes = channels.map((channel) => channel.publish('', queue, 'under the alarm'));
    for (const one of firstPublishes) one.catch(() => undefined);
    await until('all three are blocked', () =>
      [waiting, failing, leaving].every(({ blockedReason }) => blockedReason !== undefined),
    );
    expect(events).toEqual([expect.stringContaining('blocked: low on memory')]);

    let isConfirmed = false;
    const patient = first.publish('', queue, 'patient').then(() => (isConfirmed = true));
    expect(first.basicPublish('', queue, 'told to wait')).toBe(false);
    expect(await rejection(second.publish('', queue, 'impatient'))).toBeInstanceOf(NotSentError);
    // Who does not publish feels nothing.
    expect(looker.blockedReason).toBeUndefined();
    await looking.queueDeclare('', { durable: false, exclusive: true });

    const since = performance.now();
    await leaving.close();
    expect(performance.now() - since).toBeLessThan(3_000);
    expect(leaving.state).toBe('closed');
    expect(isConfirmed).toBe(false);

    await setHighWatermark('0.6');
    await patient;
    await first.drained();
    await until('unblocked is told', () => events.includes('unblocked'));
    await second.publish('', queue, 'again');
    expect(events).toHaveLength(2);
    expect(waiting.epoch).toBe(1);
    // rabbitmqctl is an Erlang node of its own each time, and starts slowly.
  }, 60_000);
});
