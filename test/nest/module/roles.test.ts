/** One code base as API and as worker: handlers with a role are consumed only where the configuration names it. */
import { Injectable } from '@nestjs/common';
import { ConfigurationError, Consume } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, startApplication } from '../../support/nest-app.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('roles', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  function handlers() {
    const prefix = broker.unique('roles');
    const queues = { always: `${prefix}.always`, worker: `${prefix}.worker`, mailer: `${prefix}.mailer` };
    const seen: string[] = [];
    @Injectable()
    class Handlers {
      @Consume(queues.always)
      always(): void {
        seen.push('always');
      }
      @Consume({ queue: queues.worker, role: 'worker' })
      work(): void {
        seen.push('worker');
      }
      @Consume({ queue: queues.mailer, role: 'mailer' })
      mail(): void {
        seen.push('mailer');
      }
    }
    return { Handlers, queues, seen };
  }

  test.each([
    [undefined, ['always', 'mailer', 'worker']],
    [[], ['always']],
    [['worker'], ['always', 'worker']],
    [
      ['worker', 'mailer'],
      ['always', 'mailer', 'worker'],
    ],
  ])('roles %j: these consume, and for the others nothing is declared', async (roles, expected) => {
    const { Handlers, queues, seen } = handlers();
    const { log } = await startApplication({ url: broker.url, roles }, { providers: [Handlers] });
    const isThere: string[] = [];
    for (const [name, queue] of Object.entries(queues)) {
      if (!(await bystander.channel.queueExists(queue))) continue;
      isThere.push(name);
      await bystander.channel.publish('', queue, '{}', {}, { mandatory: true });
    }
    expect(isThere.sort()).toEqual(expected);
    await until('all are handled', () => seen.length === expected.length);
    expect(seen.sort()).toEqual(expected);
    const silent = log.texts('log').filter((line) => line.includes('is no role of this process'));
    expect(silent).toHaveLength(3 - expected.length);
    for (const queue of Object.values(queues)) {
      await bystander.channel.queueDelete(queue);
      await bystander.channel.queueDelete(`${queue}.parked`);
    }
  });

  test('a role that no handler has is warned of', async () => {
    const { Handlers, queues } = handlers();
    const { log } = await startApplication({ url: broker.url, roles: ['wroker'] }, { providers: [Handlers] });
    expect(log.texts('warn').filter((line) => line.includes('"wroker"'))).toHaveLength(1);
    await bystander.channel.queueDelete(queues.always);
    await bystander.channel.queueDelete(`${queues.always}.parked`);
  });

  test('two handlers of one queue may have roles that never meet', async () => {
    const queue = broker.unique('either');
    @Injectable()
    class Either {
      @Consume({ queue, role: 'old' })
      old(): void {}
      @Consume({ queue, role: 'new' })
      new(): void {}
    }
    await startApplication({ url: broker.url, roles: ['new'] }, { providers: [Either] });
    const error = await rejection(startApplication({ url: broker.url }, { providers: [Either] }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('Either.old');
    await closeApplications();
    await bystander.channel.queueDelete(queue);
    await bystander.channel.queueDelete(`${queue}.parked`);
  });

  test('wrong options are named', async () => {
    const error = await rejection(
      startApplication({ url: broker.url, roles: 'worker' as unknown as string[] }, { providers: [] }),
    );
    expect(error.message).toContain('option "roles" must be a list');
    const decorate = (): unknown => {
      class Wrong {
        @Consume({ queue: 'q', role: '' })
        wrong(): void {}
      }
      return Wrong;
    };
    expect(decorate).toThrow('option "role" must not be empty');
  });
});
