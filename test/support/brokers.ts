/**
 * Runs a suite on a broker: the real one that AMQP_URL names, the embedded one, or both.
 *
 * What a suite needs of a broker it is given; a real broker that is not there is one skipped test that says so.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, test } from '@jest/globals';
import { EmbeddedBroker } from 'leveret/broker';

export interface TestBroker {
  readonly kind: 'rabbitmq' | 'embedded';
  /** Set while the suite's tests run. */
  readonly url: string;
  /** A name that no other run of the tests uses. */
  unique(name: string): string;
}

const runId = `${String(process.pid)}-${Math.random().toString(36).slice(2, 8)}`;
let nameCount = 0;

function unique(name: string): string {
  nameCount += 1;
  return `test.${name}.${runId}.${String(nameCount)}`;
}

const realUrl = process.env['AMQP_URL'] === '' ? undefined : process.env['AMQP_URL'];

/**
 * On the broker of this run: the real one where there is one (`npm test`), else the embedded one (`npm run test:embedded`).
 * What every user sees of the library belongs here.
 */
export function describeOnBroker(name: string, suite: (broker: TestBroker) => void): void {
  if (realUrl === undefined) describeOnEmbedded(name, suite);
  else describeOnRabbitmq(name, suite);
}

/** On both in one run: for what holds the embedded broker against the real one. */
export function describeOnBrokers(name: string, suite: (broker: TestBroker) => void): void {
  describeOnRabbitmq(name, suite);
  describeOnEmbedded(name, suite);
}

/** For behaviour that only a real broker can show. */
export function describeOnRabbitmq(name: string, suite: (broker: TestBroker) => void): void {
  const url = realUrl;
  describe(`${name} (RabbitMQ)`, () => {
    if (url === undefined) {
      test.skip('needs a real RabbitMQ: AMQP_URL is not set', () => undefined);
      return;
    }
    suite({ kind: 'rabbitmq', url, unique });
  });
}

/** For what operators do: `control` is rabbitmqctl against that broker; it resolves with its standard output. */
export function describeOnControlledRabbitmq(
  name: string,
  suite: (broker: TestBroker & { control(...commandArguments: string[]): Promise<string> }) => void,
): void {
  const program = process.env['LEVERET_TEST_RABBITMQCTL'] ?? '';
  describeOnRabbitmq(name, (broker) => {
    if (program === '') {
      test.skip('needs a RabbitMQ that the tests may control: LEVERET_TEST_RABBITMQCTL is not set', () => undefined);
      return;
    }
    const control = async (...commandArguments: string[]): Promise<string> =>
      (await promisify(execFile)(program, ['-q', ...commandArguments])).stdout;
    suite({ ...broker, control });
  });
}

/** For behaviour that only the embedded broker can be made to show, such as faults on demand. */
export function describeOnEmbedded(
  name: string,
  suite: (broker: TestBroker & { embedded(): EmbeddedBroker }) => void,
): void {
  describe(`${name} (embedded)`, () => {
    let started: EmbeddedBroker | undefined;
    const embedded = (): EmbeddedBroker => {
      if (!started) throw new Error('the embedded broker runs only while tests do');
      return started;
    };
    beforeAll(async () => {
      started = await EmbeddedBroker.start({ port: 0 });
    });
    suite({
      kind: 'embedded',
      get url() {
        return embedded().url;
      },
      unique,
      embedded,
    });
    // Jest runs these in the order in which they were written: the suite's own come first.
    afterAll(async () => {
      await started?.stop();
    });
  });
}
