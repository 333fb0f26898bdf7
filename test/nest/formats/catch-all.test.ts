/** A handler for all that is nobody else's. */
import { Controller, Injectable } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  AmqpContext,
  ANY_PATTERN,
  ConfigurationError,
  Consume,
  DuplicateHandlerError,
  massTransit,
  RemoteError,
} from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';
import { Bench, EventPattern } from '../transport/support.js';

describeOnBroker('a catch-all handler', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => {
    bench.begin();
  });
  afterEach(async () => {
    await closeApplications();
    await bench.end();
  });

  test('beside handlers with routing keys: it takes what is no other one\u2019s', async () => {
    const [queue, exchange] = [broker.unique('catch-all'), broker.unique('catch-all-exchange')];
    const seen: string[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, exchange, routingKey: '#', catchAll: true })
      onAny(@Payload() order: unknown, @Ctx() context: AmqpContext): void {
        seen.push(`any ${String(order)} ${context.getPattern()}`);
      }
      @Consume({ queue, exchange, routingKey: 'order.*' })
      onOrder(order: unknown): void {
        seen.push(`order ${String(order)}`);
      }
    }
    const exchanges = [{ name: exchange, type: 'topic', autoDelete: true }];
    await startApplication({ url: broker.url, exchanges }, { providers: [Orders] });
    for (const [key, body] of [
      ['order.paid', '1'],
      ['mail.sent', '2'],
      ['', '3'],
    ] as const) {
      await bystander.channel.publish(exchange, key, body, {}, { mandatory: true });
    }
    await eventually(() => expect(seen.toSorted()).toEqual(['any 2 mail.sent', 'any 3 ', 'order 1']));
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  });

  test('with a layout, also for what has no pattern; what cannot be read is nobody\u2019s, and parked', async () => {
    const [queue, envelopes] = [broker.unique('catch-layout'), broker.unique('catch-envelopes')];
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, layout: { patternFrom: 'type' }, pattern: 'paid' })
      onPaid(order: unknown): void {
        seen.push(['paid', order]);
      }
      @Consume({ queue, catchAll: true })
      onAny(order: unknown): void {
        seen.push(['any', order]);
      }
      @Consume({ queue: envelopes, layout: massTransit, pattern: 'urn:message:a' })
      onEnvelope(order: unknown): void {
        seen.push(['a', order]);
      }
      @Consume({ queue: envelopes, layout: massTransit, catchAll: true })
      onAnyEnvelope(order: unknown): void {
        seen.push(['any', order]);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, 1, { type: 'paid' });
    await bystander.send(queue, 2, { type: 'other' });
    await bystander.send(queue, 3);
    await bystander.send(envelopes, { messageType: ['urn:message:b'], message: 4 });
    await eventually(() =>
      expect(seen.toSorted()).toEqual([
        ['any', 2],
        ['any', 3],
        ['any', 4],
        ['paid', 1],
      ]),
    );
    await bystander.send(envelopes, { message: 5 });
    expect((await bystander.take(`${envelopes}.parked`)).properties.headers).toMatchObject({
      'x-leveret-reason': 'unreadable',
    });
  });

  test('alone it takes everything, also from a queue that is taken as it is', async () => {
    const queue = broker.unique('catch-alone');
    await bystander.channel.queueDeclare(queue, { durable: true });
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, declare: false, catchAll: true })
      onAny(order: unknown): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, 1);
    await eventually(() => expect(seen).toEqual([1]));
  });

  test('two for one queue end the start, and so does one whose neighbour cannot be told apart', async () => {
    const queue = broker.unique('catch-two');
    @Injectable()
    class Two {
      @Consume({ queue, catchAll: true })
      onOne(): void {}
      @Consume({ queue, catchAll: true })
      onOther(): void {}
    }
    @Injectable()
    class Silent {
      @Consume({ queue })
      onOne(): void {}
      @Consume({ queue, catchAll: true })
      onOther(): void {}
    }
    @Injectable()
    class Roles {
      @Consume({ queue, routingKey: 'a', exchange: 'amq.topic', role: 'one' })
      onOne(): void {}
      @Consume({ queue, catchAll: true, role: 'other' })
      onOther(): void {}
    }
    for (const [provider, words] of [
      [Two, ['Two.onOne', 'Two.onOther', 'both are catchAll']],
      [Silent, ['Silent.onOne has no routing key', 'Silent.onOther']],
      [Roles, ['Roles.onOne', 'Roles.onOther', 'different processes']],
    ] as const) {
      const error = await rejection(startApplication({ url: broker.url, roles: ['one'] }, { providers: [provider] }));
      expect(error).toBeInstanceOf(ConfigurationError);
      for (const word of words) expect(error.message).toContain(word);
    }
  });

  test('AmqpServer: ANY_PATTERN takes events and requests that are no other one\u2019s, and binds nothing', async () => {
    const [queue, exchange] = [broker.unique('any'), broker.unique('any-exchange')];
    await bench.deleteLater(queue, `${queue}.parked`);
    const seen: unknown[] = [];
    @Controller()
    class Events {
      @EventPattern('order.*')
      onOrder(data: unknown): void {
        seen.push(['order', data]);
      }
      @MessagePattern('sum')
      sum(): string {
        return 'sum';
      }
      @EventPattern(ANY_PATTERN)
      onAny(@Payload() data: unknown, @Ctx() context: AmqpContext): void {
        seen.push(['any', data, context.getPattern()]);
      }
      @MessagePattern(ANY_PATTERN)
      answer(@Ctx() context: AmqpContext): string {
        return `any ${context.getPattern()}`;
      }
    }
    await bench.serve([Events], { queue, exchange, wildcards: true });
    await bystander.send(queue, { pattern: 'order.paid', data: 1 });
    await bystander.send(queue, { pattern: 'mail.sent', data: 2 });
    await bystander.send(queue, { pattern: { cmd: 'x' }, data: 3 });
    await bystander.send(queue, { data: 4 });
    await eventually(() => expect(seen).toHaveLength(4));
    expect(seen).toEqual([
      ['order', 1],
      ['any', 2, 'mail.sent'],
      ['any', 3, '{"cmd":"x"}'],
      ['any', 4, 'undefined'],
    ]);
    const client = bench.client({ queue });
    expect(await client.request('sum', 0)).toBe('sum');
    expect(await client.request('else', 0)).toBe('any else');
    const unbound = await rejection(bystander.channel.publish(exchange, 'mail.sent', '{}', {}, { mandatory: true }));
    expect(unbound.name).toBe('UnroutableError');
    await bystander.channel.exchangeDelete(exchange);
  });

  test('AmqpServer: one for events answers no request that nobody knows; two for requests end the start', async () => {
    const queue = broker.unique('any-events');
    await bench.deleteLater(queue, `${queue}.parked`);
    const seen: unknown[] = [];
    @Controller()
    class Events {
      @EventPattern(ANY_PATTERN)
      onAny(data: unknown): void {
        seen.push(data);
      }
    }
    await bench.serve([Events], { queue });
    const client = bench.client({ queue });
    const error = await rejection(client.request('unknown', 1));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error.message).toContain('no matching message handler');
    expect(seen).toEqual([]);
    @Controller()
    class Two {
      @MessagePattern(ANY_PATTERN)
      one(): void {}
      @MessagePattern(ANY_PATTERN)
      other(): void {}
    }
    expect(await rejection(bench.serve([Two], { queue }))).toBeInstanceOf(DuplicateHandlerError);
  });
});
