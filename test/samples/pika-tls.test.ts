/** The counterparts of Pika's TLS examples, against RabbitMQ's own TLS listener. */
import { jest } from '@jest/globals';
import { dirname } from 'node:path';
import { connect } from 'leveret/amqp';
import { describeOnRabbitmqTls } from '../support/certificates.js';
import { Programs } from './programs.js';

// Processes take their time where the machine has much to do; each wait has a limit of its own.
jest.setTimeout(30_000);

describeOnRabbitmqTls("the counterparts of Pika's TLS examples", (url, certificates) => {
  const folder = dirname(certificates.path('ca.pem'));
  let programs: Programs;

  beforeAll(async () => {
    programs = await Programs.compile('pika');
  });

  afterAll(async () => {
    await programs.dispose();
  });

  test('tls-server-authentication: a message over a connection whose certificate was checked', async () => {
    expect(await programs.run('tls-server-authentication', url, folder)).toBe('abc\n');
  });

  test('tls-mutual-authentication: certificates on both sides, with a password or as the login itself', async () => {
    expect(await programs.run('tls-mutual-authentication', url, folder)).toBe('Hello, world!\n');
    const { host } = new URL(url);
    expect(await programs.run('tls-mutual-authentication', `amqps://${host}`, folder, 'external')).toBe(
      'Hello, world!\n',
    );
  });

  test('blocking-consume-tls: a consumer over TLS, until Ctrl-C', async () => {
    const queue = `test.tls.${String(process.pid)}.${String(Date.now())}`;
    const program = programs.start('blocking-consume-tls', url, queue);
    await program.says('consuming');
    const connection = await connect(url, { tls: { ca: certificates.ca } });
    const channel = await connection.openChannel({ confirm: true });
    await channel.publish('', queue, 'hello');
    await program.says('1 hello');
    program.interrupt();
    await program.ends();
    await channel.queueDelete(queue);
    await connection.close();
  });
});
