/** What a user needs who declares an exchange with an alternate one, on RabbitMQ and on the embedded broker as each version. */
import { connect } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { describeOnControlledRabbitmq } from '../../support/brokers.js';
import { rejection } from '../../support/waiting.js';

const permissions = { configure: '^test\\.perm\\.', write: '^test\\.perm\\.', read: '^test\\.perm\\.read\\.' };

/** Each in a channel of its own: an exchange, its alternate exchange, and what is refused. */
const attempts: readonly (readonly [exchange: string, alternate: string, refused: string | undefined])[] = [
  ['test.perm.x', 'test.perm.other', `read access to exchange 'test.perm.x'`],
  ['test.perm.read.x', 'elsewhere', `write access to exchange 'elsewhere'`],
  ['test.perm.read.x', 'test.perm.other', undefined],
  // It is there: of another alternate exchange that is a difference, which needs no permission.
  ['test.perm.read.x', 'elsewhere', `inequivalent arg 'alternate-exchange'`],
];

async function attempt(url: string, namesPermission: boolean): Promise<void> {
  const connection = await connect(url, { recovery: false });
  for (const [exchange, alternate, refused] of attempts) {
    const channel = await connection.openChannel();
    const declared = channel.exchangeDeclare(exchange, 'fanout', {
      autoDelete: true,
      durable: true,
      arguments: { 'alternate-exchange': alternate },
    });
    if (refused === undefined) {
      await declared;
      await channel.close();
      continue;
    }
    const text = namesPermission ? refused : refused.replace(/^(read|write) /, '');
    expect((await rejection(declared)).message).toContain(text);
  }
  const channel = await connection.openChannel();
  await channel.exchangeDelete('test.perm.read.x');
  await connection.close();
}

describe.each(['3.10', '4.3'] as const)('an alternate exchange, as RabbitMQ %s', (emulate) => {
  it('is written to, and read from the exchange that it is of', async () => {
    const users = [{ name: 'limited', password: 'l', virtualHosts: { '/': permissions } }];
    const broker = await EmbeddedBroker.start({ port: 0, emulate, users });
    await attempt(`amqp://limited:l@127.0.0.1:${String(broker.port)}`, emulate === '4.3');
    await broker.stop();
  });
});

describeOnControlledRabbitmq('an alternate exchange', (broker) => {
  it('is written to, and read from the exchange that it is of', async () => {
    const { configure, write, read } = permissions;
    const user = broker.unique('user');
    await broker.control('add_user', user, 'l');
    try {
      await broker.control('set_permissions', '-p', '/', user, configure, write, read);
      const url = new URL(broker.url);
      url.username = user;
      url.password = 'l';
      const version = await broker.control('version');
      await attempt(url.href, !version.startsWith('3.'));
    } finally {
      await broker.control('delete_user', user);
    }
  });
});
