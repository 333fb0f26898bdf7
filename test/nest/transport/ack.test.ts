/** `@Ack` on handlers of `@EventPattern` and `@MessagePattern`: one settlement for each delivery, as the policy says. */
import { Controller, UseGuards, UsePipes, ValidationPipe } from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { IsString } from 'class-validator';
import { Ack, NoHandlerError, UnreadableBodyError, type AmqpServerOptions, type Settlement } from 'leveret';
import type { Channel } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { rejection, until } from '../../support/waiting.js';
import { Bench, EventPattern } from './support.js';

class BadOrder extends Error {}

class OrderDto {
  @IsString()
  sku!: string;
}

describeOnBroker('@Ack on handlers of the transport', (broker) => {
  const bench = new Bench(() => broker.url);
  const seen: string[] = [];
  let queue = '';
  let dead = '';
  let channel: Channel;

  @Controller()
  class Handlers {
    @EventPattern('dropped')
    @Ack({ then: 'drop' })
    dropped(): void {
      seen.push('dropped');
      throw new RpcException('dropped on purpose');
    }
    @Ack({ then: 'dead-letter' })
    @EventPattern('dead')
    dead(): void {
      throw new RpcException('dead');
    }
    @EventPattern('again')
    @Ack({ then: 'requeue' })
    again(): void {
      seen.push('again');
      if (seen.length < 3) throw new RpcException('not yet');
    }
    @EventPattern('by-class')
    @Ack({ then: 'park', errors: [[BadOrder, { then: 'drop' }]] })
    byClass(@Payload() { bad }: { bad: boolean }): void {
      seen.push('by-class');
      throw new RpcException(bad ? new BadOrder('bad') : 'other');
    }
    @EventPattern('ahead')
    @Ack({ when: 'before' })
    ahead(): void {
      seen.push('ahead');
      throw new RpcException('too late to settle');
    }
    @EventPattern('by-hand')
    byHand(@Payload() { how }: { how: 'ack' | 'drop' | 'later' }, @Ack() settle: Settlement): void {
      seen.push(how);
      if (how !== 'later') settle[how]();
    }
    @EventPattern('two')
    @Ack({ then: 'drop' })
    first(): void {
      seen.push('first');
    }
    @EventPattern('two')
    @Ack({ then: 'dead-letter' })
    second(): void {
      seen.push('second');
      throw new RpcException('the second failed');
    }
    @EventPattern('plain')
    plain(): void {
      seen.push('plain');
      throw new RpcException('plain');
    }
    @EventPattern('own-class')
    @Ack({ errors: [[BadOrder, { then: 'dead-letter' }]] })
    ownClass(): void {
      seen.push('own-class');
      throw new BadOrder('not wrapped in anything');
    }
    @EventPattern('invalid')
    @UsePipes(new ValidationPipe())
    @Ack()
    invalid(@Payload() order: OrderDto): void {
      seen.push(order.sku);
    }
    @EventPattern('guarded')
    @UseGuards({ canActivate: () => false })
    @Ack({ then: 'park', refused: 'dead-letter' })
    guarded(): void {
      seen.push('guarded');
    }
    @EventPattern('as-if-guarded')
    @Ack({ then: 'dead-letter', refused: 'drop' })
    asIfGuarded(): void {
      seen.push('as-if-guarded');
      throw new RpcException('Forbidden resource');
    }
    @MessagePattern('asked')
    asked(): void {
      seen.push('asked');
      throw new RpcException('no');
    }
    @MessagePattern('asked-and-parked')
    @Ack({ then: 'park' })
    askedAndParked(): void {
      throw new RpcException('no, and kept');
    }
  }

  const serve = (options: AmqpServerOptions = {}): ReturnType<Bench['serve']> =>
    bench.serve([Handlers], {
      queue,
      queueOptions: { deadLetterExchange: '', deadLetterRoutingKey: dead },
      ...options,
    });
  const emit = (pattern: string, data: unknown = {}): Promise<void> =>
    channel.publish('', queue, JSON.stringify({ pattern, data }), {}, { mandatory: true });
  const count = async (name: string): Promise<number> =>
    (await channel.queueExists(name)) ? (await channel.queueDeclare(name, { passive: true })).messageCount : 0;
  /** Everything is settled: where the messages are. */
  const places = async (): Promise<object> => ({
    queue: await count(queue),
    dead: await count(dead),
    parked: await count(`${queue}.parked`),
  });

  beforeEach(async () => {
    bench.begin();
    seen.length = 0;
    queue = broker.unique('ack');
    dead = `${queue}.dead`;
    void bench.deleteLater(queue, dead, `${queue}.parked`);
    channel = await bench.channel();
    await channel.queueDeclare(dead);
  });
  afterEach(() => bench.end());

  test.each([
    ['dropped', {}, ['dropped'], { queue: 0, dead: 0, parked: 0 }],
    ['dead', {}, [], { queue: 0, dead: 1, parked: 0 }],
    ['again', {}, ['again', 'again', 'again'], { queue: 0, dead: 0, parked: 0 }],
    ['by-class', { bad: true }, ['by-class'], { queue: 0, dead: 0, parked: 0 }],
    ['by-class', { bad: false }, ['by-class'], { queue: 0, dead: 0, parked: 1 }],
    ['ahead', {}, ['ahead'], { queue: 0, dead: 0, parked: 0 }],
    ['by-hand', { how: 'ack' }, ['ack'], { queue: 0, dead: 0, parked: 0 }],
    ['by-hand', { how: 'drop' }, ['drop'], { queue: 0, dead: 0, parked: 0 }],
    ['two', {}, ['first', 'second'], { queue: 0, dead: 1, parked: 0 }],
    ['plain', {}, ['plain'], { queue: 0, dead: 0, parked: 1 }],
    ['own-class', {}, ['own-class'], { queue: 0, dead: 1, parked: 0 }],
    ['invalid', { sku: 5 }, [], { queue: 0, dead: 0, parked: 1 }],
    ['guarded', {}, [], { queue: 0, dead: 1, parked: 0 }],
    ['as-if-guarded', {}, ['as-if-guarded'], { queue: 0, dead: 1, parked: 0 }],
  ])('an event "%s" with %o', async (pattern, data, runs, expected) => {
    const { app } = await serve();
    await emit(pattern, data);
    // Closing waits for what runs, and gives back what nobody settled.
    await until('it was handled', async () => seen.length >= runs.length && (await count(queue)) === 0);
    if (expected.parked + expected.dead > 0) {
      await until('it is there', async () => (await count(dead)) + (await count(`${queue}.parked`)) > 0);
    }
    await app.close();
    expect(seen).toEqual(runs);
    expect(await places()).toEqual(expected);
    const isFailure = !['by-hand', 'again'].includes(pattern);
    expect(bench.logger.errors).toHaveLength(isFailure ? 1 : pattern === 'again' ? 2 : 0);
  });

  test('a handler that settles by hand and does not: the message goes back when the application closes', async () => {
    const { app } = await serve({ drainTimeout: 100 });
    await emit('by-hand', { how: 'later' });
    await until('it was handled', () => seen.length === 1);
    await app.close();
    expect(await places()).toEqual({ queue: 1, dead: 0, parked: 0 });
  });

  test('the option `ack` stands for handlers without one of their own, and leaves the others alone', async () => {
    const { app } = await serve({ ack: { then: 'drop' } });
    await emit('plain');
    await emit('dead');
    await until('the dead one is there', async () => (await count(dead)) === 1);
    await app.close();
    expect(await places()).toEqual({ queue: 0, dead: 1, parked: 0 });
  });

  test('a request: its error is the reply, then it is acknowledged; its own @Ack may keep it besides', async () => {
    const { app } = await serve();
    const client = bench.client({ queue });
    expect((await rejection(client.request('asked', {}))).message).toContain('no');
    expect((await rejection(client.request('asked-and-parked', {}))).message).toContain('no, and kept');
    await until('it is parked', async () => (await count(`${queue}.parked`)) === 1);
    await app.close();
    expect(seen).toEqual(['asked']);
    expect(await places()).toEqual({ queue: 0, dead: 0, parked: 1 });
  });

  test('a parked message says what the handler threw, not what Nest made of it', async () => {
    const { app } = await serve();
    await emit('invalid', { sku: 5 });
    await until('it is parked', async () => (await count(`${queue}.parked`)) === 1);
    const parked = await channel.basicGet(`${queue}.parked`, { noAck: true });
    expect(parked?.properties.headers).toMatchObject({
      'x-leveret-reason': 'invalid',
      'x-leveret-error': 'BadRequestException',
    });
    await app.close();
  });

  test('what reaches no handler is settled by the option `ack`, by class too', async () => {
    const { app } = await serve({
      ack: {
        then: 'dead-letter',
        errors: [
          [NoHandlerError, { then: 'park' }],
          [UnreadableBodyError, { then: 'drop' }],
        ],
      },
    });
    await emit('nobody-knows');
    await until('it is parked', async () => (await count(`${queue}.parked`)) === 1);
    expect((await channel.basicGet(`${queue}.parked`))?.properties.headers).toMatchObject({
      'x-leveret-reason': 'no-handler',
    });
    await channel.publish('', queue, '{"pattern":', {}, { mandatory: true });
    await emit('plain');
    await until('the one behind it is dead', async () => (await count(dead)) === 1);
    await app.close();
    expect(await places()).toMatchObject({ queue: 0, dead: 1 });
    expect(seen).toEqual(['plain']);
  });

  test('a wrong policy is refused by name', async () => {
    const error = await rejection(serve({ ack: { then: 'forget' as 'drop' } }));
    expect(error.name).toBe('ConfigurationError');
    expect(error.message).toContain('ack');
    expect(error.message).toContain('then');
  });
});
