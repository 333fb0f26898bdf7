import {
  BadRequestException,
  Catch,
  createParamDecorator,
  Injectable,
  SetMetadata,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { BaseRpcExceptionFilter, Ctx, Payload, RpcException } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import { Consume, type AmqpContext } from 'leveret';
import { EMPTY, from, map, of, throwError, type Observable } from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, startApplication } from '../../support/nest-app.js';

class OrderDto {
  @IsInt()
  id!: number;
}

describeOnBroker("a handler runs through Nest's own machinery", (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  const parked = async (queue: string): Promise<unknown[]> => {
    const { headers } = (await bystander.take(`${queue}.parked`)).properties;
    return [headers?.['x-leveret-reason'], headers?.['x-leveret-error']];
  };
  const isSettled = (queue: string): Promise<void> =>
    eventually(async () => {
      expect(await bystander.count(queue)).toBe(0);
      expect(await bystander.count(`${queue}.parked`)).toBe(0);
    });

  test('a first parameter without a decorator is the payload, and passes global pipes', async () => {
    const queue = broker.unique('dto');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(order: OrderDto): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] }, (app) =>
      app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true })),
    );
    await bystander.send(queue, { id: 1, surplus: true });
    await eventually(() => expect(seen).toHaveLength(1));
    expect(seen[0]).toBeInstanceOf(OrderDto);
    expect(seen[0]).toEqual({ id: 1 });
    await bystander.send(queue, { id: 'x' });
    expect(await parked(queue)).toEqual(['invalid', 'BadRequestException']);
    expect(seen).toHaveLength(1);
  });

  test('@Payload with property and pipe, @Ctx and custom decorators give parameters', async () => {
    const queue = broker.unique('parameters');
    const Priority = createParamDecorator(
      (_data: undefined, host: ExecutionContext) =>
        host.switchToRpc().getContext<AmqpContext>().getProperties().priority,
    );
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(
        @Ctx() context: AmqpContext,
        @Priority() priority: number,
        @Payload('id', { transform: (value: number) => value * 2 }) id: number,
        @Payload() whole: unknown,
      ): void {
        const { delivery } = context;
        seen.push(id, priority, whole, context.getHeaders()['tenant'], context.getRoutingKey(), context.getExchange());
        seen.push(context.getHandler(), context.getConnection(), context.getMessage() === delivery);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, { id: 4 }, { priority: 3, headers: { tenant: 'a' } });
    await eventually(() => expect(seen).toHaveLength(9));
    expect(seen).toEqual([8, 3, { id: 4 }, 'a', queue, '', 'Orders.onOrder', 'default', true]);
  });

  test('guards, interceptors and pipes of class, method and application run, in the context type rpc', async () => {
    const queue = broker.unique('enhanced');
    const seen: unknown[] = [];
    @Injectable()
    class Guard implements CanActivate {
      constructor(private readonly reflector: Reflector) {}
      canActivate(context: ExecutionContext): boolean {
        seen.push([context.getType(), context.getClass().name, this.reflector.get('role', context.getHandler())]);
        return context.switchToRpc().getData<{ id: number }>().id > 0;
      }
    }
    @Injectable()
    class Interceptor implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
        seen.push('before');
        return next.handle().pipe(map((value) => seen.push(['after', value])));
      }
    }
    @Injectable()
    @UseInterceptors(Interceptor)
    class Orders {
      @Consume(queue)
      @SetMetadata('role', 'clerk')
      @UsePipes({ transform: (value: unknown) => ({ ...(value as object), piped: true }) })
      onOrder(order: unknown): string {
        seen.push(order);
        return 'done';
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders, { provide: APP_GUARD, useClass: Guard }] });
    await bystander.send(queue, { id: 1 });
    await isSettled(queue);
    await eventually(() =>
      expect(seen).toEqual([['rpc', 'Orders', 'clerk'], 'before', { id: 1, piped: true }, ['after', 'done']]),
    );
    await bystander.send(queue, { id: 0 });
    expect(await parked(queue)).toEqual(['refused', 'ForbiddenException']);
  });

  test('a guard, an interceptor or a pipe that throws fails the message as its handler would', async () => {
    const queue = broker.unique('throwing');
    const fail = (): never => {
      throw new TypeError('enhancer');
    };
    @Injectable()
    class Orders {
      @Consume(`${queue}.guard`)
      @UseGuards({ canActivate: fail })
      guarded(): void {}
      @Consume(`${queue}.interceptor`)
      @UseInterceptors({ intercept: fail })
      intercepted(): void {}
      @Consume(`${queue}.pipe`)
      @UsePipes({ transform: fail })
      piped(_order: unknown): void {}
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const kind of ['guard', 'interceptor', 'pipe']) {
      await bystander.send(`${queue}.${kind}`, {});
      expect(await parked(`${queue}.${kind}`)).toEqual([kind === 'guard' ? 'refused' : 'error', 'TypeError']);
    }
  });

  test('a filter that returns has handled the error; one that throws on has not', async () => {
    const queue = broker.unique('filtered');
    const seen: unknown[] = [];
    @Catch(BadRequestException)
    class Swallow implements ExceptionFilter {
      catch(error: Error, host: ArgumentsHost): void {
        seen.push([host.getType(), error.message, host.switchToRpc().getData<unknown>()]);
      }
    }
    @Catch()
    class Rethrow implements ExceptionFilter {
      catch(): never {
        throw new RangeError('from the filter');
      }
    }
    @Catch()
    class Failing implements ExceptionFilter {
      catch = (error: Error): Observable<never> => throwError(() => error);
    }
    const throwBad = (): never => {
      throw new BadRequestException('bad');
    };
    @Injectable()
    class Orders {
      @Consume(`${queue}.swallow`)
      @UseFilters(Swallow)
      swallow(): void {
        throwBad();
      }
      @Consume(`${queue}.rethrow`)
      @UseFilters(Rethrow)
      rethrow(): void {
        throwBad();
      }
      @Consume(`${queue}.observable`)
      @UseFilters(Failing)
      observable(): void {
        throwBad();
      }
      @Consume(`${queue}.rpc`)
      @UseFilters(BaseRpcExceptionFilter)
      rpc(): void {
        throw new RpcException('told to nobody');
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const kind of ['swallow', 'rethrow', 'observable', 'rpc']) await bystander.send(`${queue}.${kind}`, {});
    await isSettled(`${queue}.swallow`);
    await eventually(() => expect(seen).toEqual([['rpc', 'bad', {}]]));
    expect(await parked(`${queue}.rethrow`)).toEqual(['error', 'RangeError']);
    expect(await parked(`${queue}.observable`)).toEqual(['invalid', 'BadRequestException']);
    expect(await parked(`${queue}.rpc`)).toEqual(['error', 'RpcException']);
  });

  test('an observable succeeds when it completes, with or without a value, and fails with its error', async () => {
    const queue = broker.unique('observable');
    const seen: number[] = [];
    const sources: Record<string, () => Observable<unknown>> = {
      several: () => from([1, 2, 3]).pipe(map((value) => seen.push(value))),
      empty: () => EMPTY,
      one: () => of(1),
      failing: () => throwError(() => new RangeError('late')),
    };
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(kind: string): Observable<unknown> | undefined {
        return sources[kind]?.();
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const kind of ['several', 'empty', 'one']) await bystander.send(queue, JSON.stringify(kind));
    await isSettled(queue);
    await eventually(() => expect(seen).toEqual([1, 2, 3]));
    await bystander.send(queue, '"failing"');
    expect(await parked(queue)).toEqual(['error', 'RangeError']);
  });

  test('globalEnhancers: false leaves out what is global, and nothing else', async () => {
    const queue = broker.unique('local');
    const seen: unknown[] = [];
    const refuse = (): never => {
      throw new Error('it knows of HTTP alone');
    };
    @Injectable()
    class Orders {
      @Consume(queue)
      @UsePipes({ transform: (value: unknown) => [value, 'piped'] })
      onOrder(order: unknown): void {
        seen.push(order);
        throw new RangeError('its own');
      }
    }
    const guard = { provide: APP_GUARD, useValue: { canActivate: refuse } };
    await startApplication({ url: broker.url, globalEnhancers: false }, { providers: [Orders, guard] }, (app) => {
      app.useGlobalPipes({ transform: refuse });
      app.useGlobalInterceptors({ intercept: refuse });
      app.useGlobalFilters({ catch: () => 'forgiven' });
    });
    await bystander.send(queue, 1);
    expect(await parked(queue)).toEqual(['error', 'RangeError']);
    expect(seen).toEqual([[1, 'piped']]);
    await closeApplications();
    await startApplication({ url: broker.url }, { providers: [Orders, guard] });
    await bystander.send(queue, 2);
    expect(await parked(queue)).toEqual(['refused', 'Error']);
    expect(seen).toHaveLength(1);
  });
});
