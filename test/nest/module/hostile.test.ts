/** What hostile senders and awkward handlers do: each message is settled, and the process lives. */
import {
  Catch,
  Controller,
  Injectable,
  ParseIntPipe,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Ack, AmqpServer, ConfigurationError, Consume, InjectPublisher, Publisher } from 'leveret';
import { NotSentError } from 'leveret/amqp';
import type { Observable } from 'rxjs';
import { describeOnBroker, describeOnRabbitmq } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import {
  Bystander,
  closeApplications,
  eventually,
  pause,
  startApplication,
  startModule,
  withoutRetries,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

const seen: unknown[] = [];

@Injectable()
class DenyOdd implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToRpc().getData<{ id: number | string }>().id !== 1;
  }
}

@Catch()
@Injectable()
class Notice implements ExceptionFilter {
  catch(error: unknown): void {
    seen.push((error as Error).constructor.name);
  }
}

@Injectable()
class Around implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    seen.push('around');
    return next.handle();
  }
}

describeOnBroker('handlers under attack', (broker) => {
  const bystander = new Bystander();
  const queues: string[] = [];
  const fresh = (name: string): string => {
    const queue = broker.unique(name);
    queues.push(queue, `${queue}.parked`);
    return queue;
  };

  beforeAll(() => bystander.open(broker.url));
  beforeEach(() => (seen.length = 0));
  afterEach(async () => {
    await closeApplications();
    await Promise.all(queues.splice(0).map((queue) => bystander.channel.queueDelete(queue)));
  });
  afterAll(() => bystander.close());

  test('a controller\u2019s guards, pipes, interceptors and filters run when they are given as classes', async () => {
    const queue = fresh('enhancers');
    @Controller()
    @UseGuards(DenyOdd)
    @UseFilters(Notice)
    class Orders {
      @Consume(queue)
      @UseInterceptors(Around)
      onOrder(@Payload('id', ParseIntPipe) id: number): void {
        seen.push(id);
      }
    }
    await startApplication({ url: broker.url }, { controllers: [Orders] });
    await bystander.send(queue, { id: '7' });
    await eventually(() => expect(seen).toEqual(['around', 7]));
    await bystander.send(queue, { id: 1 });
    await eventually(() => expect(seen.at(-1)).toBe('ForbiddenException'));
    await bystander.send(queue, { id: 'x' });
    await eventually(() => expect(seen.at(-1)).toBe('BadRequestException'));
  });

  test.each([
    ['an Error whose message is an object', () => Object.assign(new Error('x'), { message: { deep: true } })],
    ['an Error whose name is a number', () => Object.assign(new Error('x'), { name: 5 })],
    [
      'an object whose getters throw',
      () => ({
        get message(): string {
          throw new Error('no');
        },
      }),
    ],
    ['an object without a prototype', () => Object.create(null) as object],
    [
      'an error that does not let itself be asked',
      () =>
        Object.assign(new Error('x'), {
          getError: () => {
            throw new Error('no');
          },
        }),
    ],
    [
      'a revoked proxy',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      },
    ],
    ['nothing', () => undefined],
  ])('%s is thrown: the message is parked, and nothing is unheard', async (_name, thrown) => {
    const queue = fresh('thrown');
    const unheard: unknown[] = [];
    const note = (reason: unknown): void => void unheard.push(reason);
    process.on('unhandledRejection', note);
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(): void {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- what users may throw
        throw thrown();
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, { id: 1 });
    expect((await bystander.take(`${queue}.parked`)).properties.headers).toMatchObject({ 'x-leveret-queue': queue });
    await pause(20);
    process.off('unhandledRejection', note);
    expect(unheard).toEqual([]);
  });

  test('what is no class in a policy\u2019s errors is refused at once', () => {
    expect(() => Ack({ errors: [[(() => 1) as never, { then: 'drop' }]] })({}, 'method', {})).toThrow(
      ConfigurationError,
    );
  });

  test('a message whose headers fill a frame is parked without them', async () => {
    const queue = fresh('headers');
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(): void {
        throw new Error('as the test wants');
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, { id: 1 }, { headers: { large: 'x'.repeat(130_900) } });
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.properties.headers).toMatchObject({
      'x-leveret-reason': 'error',
      'x-leveret-headers': expect.stringContaining('left out'),
    });
    expect(parked.body.toString()).toBe('{"id":1}');
  });

  test('a publisher that never published keeps its limits in an outage', async () => {
    @Injectable()
    class Shop {
      constructor(@InjectPublisher({ timeout: 200 }) readonly publisher: Publisher) {}
    }
    const cuts = new Cuts();
    let isUp = true;
    const { app } = await startApplication(
      {
        url: broker.url,
        transport: (endpoint, signal) => (isUp ? cuts.transport(endpoint, signal) : Promise.reject(new Error('down'))),
        recovery: { initialDelay: 10, maxDelay: 20 },
        closeTimeout: 500,
      },
      { providers: [Shop] },
    );
    isUp = false;
    cuts.cutAll();
    await pause(50);
    const since = performance.now();
    expect(await rejection(app.get(Shop).publisher.publish('nowhere', 1))).toBeInstanceOf(NotSentError);
    expect(performance.now() - since).toBeLessThan(2_000);
  });
});

describeOnRabbitmq('a forged reply address', (broker) => {
  test('costs a server two connections at most, and then it serves on', async () => {
    const queue = broker.unique('forged');
    const bystander = new Bystander();
    await bystander.open(broker.url);
    @Controller()
    class Echo {
      @MessagePattern('echo')
      echo(@Payload() value: unknown): unknown {
        seen.push(value);
        return value;
      }
    }
    const server = new AmqpServer({
      url: broker.url,
      queue,
      recovery: { initialDelay: 10, maxDelay: 50 },
      ...withoutRetries,
    });
    const { app } = await startModule({ controllers: [Echo] });
    app.connectMicroservice({ strategy: server });
    await app.startAllMicroservices();
    let outages = 0;
    server.on('lost', () => (outages += 1));
    seen.length = 0;
    const ask = (data: string, replyTo: string): Promise<void> =>
      bystander.send(queue, { pattern: 'echo', data, id: data }, { replyTo, correlationId: data });
    await ask('forged', 'amq.rabbitmq.reply-to.g1h2AA5yZXBseUA1MTc0ODEwNgAABZIAAAAAZZZZZZ==.abc');
    await eventually(() => expect(seen).toContain('forged'));
    const { queue: answers } = await bystander.channel.queueDeclare('', { exclusive: true });
    await ask('honest', answers);
    expect((await bystander.take(answers)).body.toString()).toContain('honest');
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    await pause(500);
    expect(outages).toBeLessThanOrEqual(2);
    expect(seen.filter((value) => value === 'forged').length).toBeLessThanOrEqual(3);
    await closeApplications();
    await bystander.channel.queueDelete(queue);
    await bystander.close();
  });
});
