/** Logging in by a client certificate (EXTERNAL): who is let in, and as whom. */
import { AuthenticationError, connect, type Connection, type ConnectionParameters } from 'leveret/amqp';
import { EmbeddedBroker, type BrokerOptions } from 'leveret/broker';
import { certificateName } from '../../../lib/broker/serve/certificate-name.js';
import { describeOnRabbitmqTls, describeWithCertificates, type Certificates } from '../../support/certificates.js';
import { rejection } from '../../support/waiting.js';

const credentials = { mechanism: 'EXTERNAL' } as const;

/** On a broker that takes the common name, and asks for certificates without insisting on them. */
function logins(address: () => { host: string; port: number }, certificates: Certificates): void {
  const { ca } = certificates;

  test('is as the one whom the certificate names', async () => {
    const tls = { ca, ...certificates.pair('client') };
    const connection = await connect({ ...address(), tls, credentials, plaintext: 'refuse' });
    const channel = await connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    // The broker holds the property against who is logged in.
    await channel.publish('', queue, 'mine', { userId: 'guest' });
    await connection.close();
  });

  test('without a certificate is refused', async () => {
    const error = await rejection(connect({ ...address(), tls: { ca }, credentials }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({
      replyCode: 403,
      replyText:
        'ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. ' +
        'For details see the broker logfile.',
    });
  });

  test('is one way of several', async () => {
    const tls = { ca, ...certificates.pair('client') };
    await (await connect({ ...address(), tls, username: 'guest', password: 'guest' })).close();
  });
}

describeOnRabbitmqTls('a login by certificate', (url, certificates) => {
  const { hostname, port } = new URL(url);
  logins(() => ({ host: hostname, port: Number(port) }), certificates);
});

describeWithCertificates('a login by certificate (embedded)', (certificates) => {
  const { ca } = certificates;
  const certificate = { ca, ...certificates.pair('client') };
  let broker: EmbeddedBroker;
  const address = (): { host: string; port: number } => ({ host: 'localhost', port: broker.port });

  async function start(tls: BrokerOptions['tls'], options: BrokerOptions = {}): Promise<void> {
    broker = await EmbeddedBroker.start({ port: 0, tls: { ca, ...certificates.pair('server'), ...tls }, ...options });
  }
  const login = (tls: ConnectionParameters['tls']): Promise<Connection> =>
    connect({ ...address(), tls, credentials, tcp: { family: 4 } });

  afterEach(async () => {
    await broker.stop();
  });

  describe('as RabbitMQ is set up', () => {
    beforeEach(async () => {
      await start({ requestCert: true, rejectUnauthorized: false }, { certificateLogin: 'common_name' });
    });
    logins(() => ({ host: '127.0.0.1', port: broker.port }), certificates);

    test('is refused where the certificate could not be verified, whatever its name', async () => {
      const error = await rejection(login({ ca, ...certificates.pair('stranger') }));
      expect(error).toBeInstanceOf(AuthenticationError);
      expect(error).toMatchObject({ replyCode: 403 });
    });
  });

  test('is by the whole subject unless said, as a user who is there, with what that user may do', async () => {
    await start({ requestCert: true });
    expect(await rejection(login(certificate))).toBeInstanceOf(AuthenticationError);
    await broker.stop();
    await start({ requestCert: true }, { users: [{ name: 'CN=guest', virtualHosts: { '/': { configure: '^$' } } }] });
    const connection = await login(certificate);
    expect(broker.inspect.connections().map(({ user }) => user)).toEqual(['CN=guest']);
    const channel = await connection.openChannel();
    const refusal = await rejection(channel.queueDeclare('q'));
    await connection.close();
    expect(refusal).toMatchObject({
      replyText: expect.stringMatching(/refused for user 'CN=guest'/) as unknown,
    });
    // Such a user has no password, and so none is right.
    expect(
      await rejection(connect({ ...address(), tls: certificate, username: 'CN=guest', password: '' })),
    ).toMatchObject({ replyCode: 403 });
  });

  test('is not offered where no certificates are asked for, nor without TLS', async () => {
    await start({});
    const error = await rejection(login(certificate));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error.message).toMatch(/EXTERNAL.*offers PLAIN AMQPLAIN$|EXTERNAL.*offers.*PLAIN/);
    await broker.stop();
    broker = await EmbeddedBroker.start({ port: 0 });
    expect(await rejection(connect({ ...address(), credentials }))).toBeInstanceOf(AuthenticationError);
  });

  test('can be refused by a fault, which is told who it is', async () => {
    await start({ requestCert: true }, { certificateLogin: 'common_name' });
    broker.faults.on({ user: 'guest' }).refuseLogins();
    expect(await rejection(login(certificate))).toBeInstanceOf(AuthenticationError);
    broker.faults.clear();
    await (await login(certificate)).close();
  });

  test('knows two ways to read a name', async () => {
    await start({});
    const certificateLogin = 'subject' as unknown as 'common_name';
    expect(await rejection(EmbeddedBroker.start({ certificateLogin }))).toMatchObject({ argument: 'certificateLogin' });
  });
});

describe('the name in a certificate', () => {
  // Node's subject of a certificate, and what RabbitMQ 4.3 made of the same.
  const subject = [
    ...['C=DE', 'O=Shop\\, Inc.', 'OU=a + OU=b', 'CN=first', 'CN=sec\\"ond', 'emailAddress=a@b.example'],
    ...['ST=\\ lead#', 'L=\\#x', 'serialNumber=7', 'O=Häse\\;\\<x\\>\\\\y', 'DC=example'],
  ].join('\n');

  it('is RFC 4514’s, the innermost first, with bytes of UTF-8 for all that is not ASCII', () => {
    expect(certificateName(subject, 'distinguished_name')).toBe(
      'DC=example,O=H\\C3\\A4se\\;\\<x\\>\\\\y,SERIALNUMBER=7,L=\\#x,ST=\\ lead#,EMAILADDRESS=a@b.example,' +
        'CN=sec\\"ond,CN=first,OU=a+OU=b,O=Shop\\, Inc.,C=DE',
    );
    expect(certificateName('CN=guest', 'distinguished_name')).toBe('CN=guest');
  });

  it('is the common names alone, as they are', () => {
    expect(certificateName(subject, 'common_name')).toBe('first,sec"ond');
    expect(certificateName('CN=H\\0Aäse', 'common_name')).toBe('H\näse');
  });

  it('may be none', () => {
    expect(certificateName('O=only', 'common_name')).toBeUndefined();
    expect(certificateName('', 'distinguished_name')).toBeUndefined();
  });
});
