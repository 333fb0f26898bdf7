/** Deliveries that a guard refuses: settled by a policy of their own, and logged once. */
import { Injectable, UnauthorizedException, UseGuards, type CanActivate } from '@nestjs/common';
import { Ack, Consume, type AckPolicy } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  startApplication,
  type LogRecorder,
} from '../../support/nest-app.js';

describeOnBroker('a delivery that a guard refuses', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  async function refuse(guard: CanActivate, policy: AckPolicy): Promise<{ queue: string; log: LogRecorder }> {
    const queue = broker.unique('guarded');
    @Injectable()
    class Orders {
      @Consume(queue)
      @Ack(policy)
      @UseGuards(guard)
      onOrder(): void {
        throw new Error('not reached');
      }
    }
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, {});
    return { queue, log };
  }

  const refusing: CanActivate = { canActivate: () => false };
  const throwing: CanActivate = {
    canActivate: () => {
      throw new UnauthorizedException('who are you');
    },
  };

  test.each([
    ['answers false', refusing, 'ForbiddenException: Forbidden resource'],
    ['throws', throwing, 'UnauthorizedException: who are you'],
  ])('is settled by `refused` where the guard %s, and logged once', async (_how, guard, words) => {
    const { queue, log } = await refuse(guard, { then: 'park', refused: 'drop' });
    await eventually(() => expect(log.texts('error').join()).toContain(`Orders.onOrder: ${words} (dropped)`));
    expect(log.texts('error')).toHaveLength(1);
    expect(await bystander.count(queue)).toBe(0);
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  });

  test('is settled as any failure where nothing is said, with its reason', async () => {
    const { queue } = await refuse(refusing, {});
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.properties.headers).toMatchObject({ 'x-leveret-reason': 'refused' });
  });

  test('a class of the guard’s error goes first', async () => {
    const { queue, log } = await refuse(throwing, {
      refused: 'park',
      errors: [[UnauthorizedException, { then: 'drop' }]],
    });
    await eventually(() => expect(log.texts('error').join()).toContain('(dropped)'));
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  });
});
