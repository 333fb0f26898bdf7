/**
 * What Nest's own end-to-end tests ask of its RabbitMQ transport, asked of ours, in our words and through the same doors:
 * hybrid applications that are asked over HTTP, `createMicroservice`, `ClientsModule`, `ClientProxyFactory`, `@Client`.
 */
import 'reflect-metadata';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Inject,
  Injectable,
  Module,
  ParseIntPipe,
  Post,
  Query,
  type INestApplication,
  type ModuleMetadata,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Client,
  ClientProxy,
  ClientProxyFactory,
  ClientsModule,
  Ctx,
  MessagePattern,
  Payload,
  RmqContext,
  RmqRecordBuilder,
  RpcException,
  Transport,
  type ClientsModuleOptionsFactory,
  type ConsumerDeserializer,
  type CustomClientOptions,
  type ProducerSerializer,
} from '@nestjs/microservices';
import { ConnectionRefusedError, WrongStateError } from 'leveret/amqp';
import { catchError, from, lastValueFrom, NEVER, of, scan, startWith, take, throwError, type Observable } from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { withoutRetries } from '../../support/nest-app.js';
import { until } from '../../support/waiting.js';
import { AmqpClient, AmqpServer, type AmqpClientOptions, type AmqpServerOptions } from 'leveret';
import { Bench, EventPattern } from './support.js';

/** With nobody behind it. */
const nobody = 'amqp://guest:guest@127.0.0.1:1';

const sumOf = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describeOnBroker("Nest's own cases for RabbitMQ, with our transport", (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';
  let notified: unknown;

  beforeEach(() => {
    bench.begin();
    notified = undefined;
    queue = broker.unique('nest');
    void bench.deleteLater(queue, `${queue}.parked`);
  });
  afterEach(() => bench.end());

  const create = (options: AmqpClientOptions = {}): ClientProxy =>
    ClientProxyFactory.create({ customClass: AmqpClient, options: { urls: [broker.url], queue, ...options } });
  /** A client that no container knows has to be closed by hand, with Nest's transport too. */
  const createClosed = (options: AmqpClientOptions = {}): ClientProxy => {
    const client = create(options);
    bench.closeLater(async () => {
      await client.close();
    });
    return client;
  };

  /** An application with HTTP and, for each of the options, a microservice. */
  async function startHybrid(
    metadata: ModuleMetadata,
    servers: AmqpServerOptions[],
    configure: (app: INestApplication) => void = () => undefined,
    hybridOptions: object = {},
  ): Promise<{
    app: INestApplication;
    ask: (path: string, body?: unknown) => Promise<[status: number, body: string]>;
  }> {
    @Module(metadata)
    class App {}
    const app = await NestFactory.create(App, { logger: bench.logger, abortOnError: false });
    bench.closeLater(() => app.close());
    configure(app);
    for (const options of servers) {
      app.connectMicroservice(
        { strategy: new AmqpServer({ urls: [broker.url], queue, ...withoutRetries, ...options }) },
        hybridOptions,
      );
    }
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const ask = async (path: string, body?: unknown): Promise<[status: number, body: string]> => {
      const posted = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const response = await fetch(`${url}${path}`, body === undefined ? {} : posted);
      return [response.status, await response.text()];
    };
    return { app, ask };
  }

  async function startMicroservice(metadata: ModuleMetadata, options: object): Promise<void> {
    @Module(metadata)
    class App {}
    const app = await NestFactory.createMicroservice(App, { ...options, logger: bench.logger } as never);
    bench.closeLater(() => app.close());
    await app.listen();
  }

  describe('sums, asked over HTTP and answered over RabbitMQ', () => {
    @Controller()
    class Sums {
      private readonly client = createClosed({ queueOptions: { durable: false } });

      @Post()
      @HttpCode(200)
      call(@Query('command') cmd: string, @Body() numbers: number[]): Observable<number> {
        return this.client.send<number>({ cmd }, numbers);
      }
      @Post('stream')
      @HttpCode(200)
      stream(@Body() numbers: number[]): Observable<number> {
        return this.client.send<number>({ cmd: 'numbers' }, numbers).pipe(scan((total, number) => total + number));
      }
      @Post('at-once')
      @HttpCode(200)
      async atOnce(@Body() lists: number[][]): Promise<boolean> {
        const sums = lists.map(async (list) => {
          return (await lastValueFrom(this.client.send<number>({ cmd: 'sum' }, list))) === sumOf(list);
        });
        return (await Promise.all(sums)).every(Boolean);
      }
      @Post('endpoints')
      @HttpCode(200)
      endpoints(@Body() numbers: number[]): Observable<number> {
        const client = createClosed({ urls: [nobody, broker.url], queueOptions: { durable: false } });
        return client.send<number>({ cmd: 'sum' }, numbers);
      }
      @Post('record')
      @HttpCode(200)
      record(@Body() data: object): Observable<unknown> {
        const options = { headers: { 'x-version': '1.0.0' }, priority: 3 };
        return this.client.send('record', new RmqRecordBuilder(data).setOptions(options).build());
      }
      @Post('notify')
      notify(@Body() data: unknown): Observable<unknown> {
        return this.client.emit('notification', data);
      }

      @MessagePattern({ cmd: 'sum' })
      sum(numbers: number[]): number {
        return sumOf(numbers);
      }
      @MessagePattern({ cmd: 'promise' })
      promise(numbers: number[]): Promise<number> {
        return Promise.resolve(sumOf(numbers));
      }
      @MessagePattern({ cmd: 'observable' })
      observable(numbers: number[]): Observable<number> {
        return of(sumOf(numbers));
      }
      @MessagePattern({ cmd: 'promised-observable' })
      promisedObservable(numbers: number[]): Promise<Observable<number>> {
        return Promise.resolve(of(sumOf(numbers)));
      }
      @MessagePattern({ cmd: 'numbers' })
      numbers(numbers: number[]): Observable<number> {
        return from(numbers);
      }
      @MessagePattern('record')
      onRecord(@Payload() data: object, @Ctx() context: RmqContext): object {
        const { headers, priority } = context.getMessage()['properties'] as { headers: unknown; priority: unknown };
        return { data, headers, priority };
      }
      @EventPattern('notification')
      onNotification(@Payload() data: unknown): void {
        notified = data;
      }
    }
    const start = (): ReturnType<typeof startHybrid> =>
      startHybrid({ controllers: [Sums] }, [{ queueOptions: { durable: false } }]);

    test.each(['sum', 'promise', 'observable', 'promised-observable'])('%s', async (command) => {
      const { ask } = await start();
      expect(await ask(`/?command=${command}`, [1, 2, 3, 4, 5])).toEqual([200, '15']);
    });

    test('ten at once', async () => {
      const { ask } = await start();
      const lists = Array.from({ length: 10 }, (_, list) => Array.from({ length: 10 }, (_, n) => list * 10 + n + 1));
      expect(await ask('/at-once', lists)).toEqual([200, 'true']);
    });

    test('a stream, summed up by who asked', async () => {
      const { ask } = await start();
      expect(await ask('/stream', [1, 2, 3, 4, 5])).toEqual([200, '15']);
    });

    test('a client with several endpoints, the first of which nobody listens at', async () => {
      const { ask } = await start();
      expect(await ask('/endpoints', [1, 2, 3, 4, 5])).toEqual([200, '15']);
    });

    test('a record: data, headers and priority arrive', async () => {
      const { ask } = await start();
      const [status, answer] = await ask('/record', { text: 'any' });
      expect(status).toBe(200);
      expect(JSON.parse(answer)).toMatchObject({
        data: { text: 'any' },
        headers: { 'x-version': '1.0.0' },
        priority: 3,
      });
    });

    test('an event, whose HTTP request ends when it is sent', async () => {
      const { ask } = await start();
      expect((await ask('/notify', { any: 'thing' }))[0]).toBe(201);
      await until('it is handled', () => notified !== undefined);
      expect(notified).toEqual({ any: 'thing' });
    });
  });

  test('two microservices of one application on one queue share the requests', async () => {
    const answered: unknown[] = [];
    @Controller()
    class Shared {
      private readonly client = createClosed();
      @Get('ask')
      ask(): Observable<string> {
        return this.client.send<string>({ cmd: 'who' }, {});
      }
      @MessagePattern({ cmd: 'who' })
      who(@Ctx() context: RmqContext): string {
        answered.push(context.getMessage()['consumerTag']);
        return 'one of us';
      }
    }
    const { ask } = await startHybrid({ controllers: [Shared] }, [{}, {}]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask('/ask')));
    for (const answer of answers) expect(answer).toEqual([200, 'one of us']);
    expect(answered).toHaveLength(10);
    expect(new Set(answered).size).toBe(2);
  });

  test('a broadcast: two microservices answer one request, and who asked takes both answers', async () => {
    const exchange = broker.unique('broadcast');
    const fanout = { exchange, exchangeType: 'fanout' };
    @Controller()
    class Broadcast {
      private readonly client = createClosed(fanout);
      @Get('broadcast')
      broadcast(): Observable<number> {
        return this.client.send<number>({ cmd: 'broadcast' }, {}).pipe(
          scan((total, number) => total + number),
          take(2),
        );
      }
      @MessagePattern({ cmd: 'broadcast' })
      answer(): Observable<number> {
        // The first to end would end the request for both.
        return NEVER.pipe(startWith(1));
      }
    }
    const own = { ...fanout, queue: '', queueOptions: { exclusive: true }, drainTimeout: 0 };
    const { ask } = await startHybrid({ controllers: [Broadcast] }, [own, own]);
    expect(await ask('/broadcast')).toEqual([200, '2']);
    await (await bench.channel()).exchangeDelete(exchange);
  });

  test('a fan-out exchange, and a queue that the broker names', async () => {
    const exchange = broker.unique('fanout');
    @Controller()
    class Consumer {
      @MessagePattern('ping')
      ping(@Ctx() context: RmqContext): string {
        return `${context.getPattern()}/pong`;
      }
    }
    @Controller()
    class Producer {
      private readonly client = createClosed({ queue: '', exchange, exchangeType: 'fanout' });
      @Get('ping')
      ping(): Observable<string> {
        return this.client.send<string>('ping', 1);
      }
    }
    const options = { url: broker.url, queue: '', exchange, exchangeType: 'fanout', queueOptions: { exclusive: true } };
    await startMicroservice({ controllers: [Consumer] }, { strategy: new AmqpServer(options) });
    const { ask } = await startHybrid({ controllers: [Producer] }, []);
    expect(await ask('/ping')).toEqual([200, 'ping/pong']);
    await (await bench.channel()).exchangeDelete(exchange);
  });

  test('a topic exchange: the handler of a pattern with wildcards learns what was asked', async () => {
    @Controller()
    class Topics {
      private readonly client = createClosed({ wildcards: true });
      @Get('topic')
      ask(@Query('pattern') pattern: string): Observable<string> {
        return this.client.send<string>(pattern, 1);
      }
      @MessagePattern('wildcard.*.*')
      two(@Ctx() context: RmqContext): string {
        return context.getPattern();
      }
      @MessagePattern('every.#')
      every(@Ctx() context: RmqContext): string {
        return `every: ${context.getPattern()}`;
      }
    }
    const { ask } = await startHybrid({ controllers: [Topics] }, [{ wildcards: true }]);
    expect(await ask('/topic?pattern=wildcard.a.b')).toEqual([200, 'wildcard.a.b']);
    expect(await ask('/topic?pattern=every.a.b.c')).toEqual([200, 'every: every.a.b.c']);
    await (await bench.channel()).exchangeDelete(queue);
  });

  test('a client without a broker: the observable fails with a typed error, which a handler can turn into HTTP', async () => {
    @Controller()
    class Disconnected {
      private readonly client = createClosed({ urls: [nobody], maxConnectionAttempts: 1 });
      @Post()
      call(): Observable<number> {
        return this.client.send<number>({ cmd: 'none' }, [1, 2, 3]).pipe(
          catchError((error: unknown) => {
            const status = error instanceof ConnectionRefusedError ? 408 : 500;
            return throwError(() => new HttpException((error as Error).message, status));
          }),
        );
      }
    }
    const { ask } = await startHybrid({ controllers: [Disconnected] }, []);
    expect((await ask('/', {}))[0]).toBe(408);
    // As it was not the first time: the attempt is not remembered.
    expect((await ask('/', {}))[0]).toBe(408);
  });

  test('serialisers and deserialisers of your own, on both sides, both ways', async () => {
    /** Turns text around: no JSON, and no secret either. */
    const reverse = (text: string): string => Buffer.from(text, 'latin1').reverse().toString('latin1');
    const serializer = {
      serialize: (packet: unknown) => reverse(JSON.stringify(packet)),
    } as unknown as ProducerSerializer;
    const read = (text: unknown): object => JSON.parse(reverse(String(text))) as object;
    const deserializer = { deserialize: read } as unknown as ConsumerDeserializer;
    const heard: unknown[] = [];
    @Controller()
    class Greetings {
      @MessagePattern({ cmd: 'greet' })
      greet(@Payload() { name }: { name: string }): string {
        return `hello ${name}`;
      }
      @MessagePattern('refuse')
      refuse(): never {
        throw new RpcException('nobody to greet');
      }
      @EventPattern('greeted')
      greeted(@Payload() name: string): void {
        heard.push(name);
      }
    }
    const options = { url: broker.url, queue, serializer, deserializer };
    await startMicroservice({ controllers: [Greetings] }, { strategy: new AmqpServer(options as never) });
    const client = createClosed({ serializer, deserializer } as never);
    await expect(lastValueFrom(client.send({ cmd: 'greet' }, { name: 'World' }))).resolves.toBe('hello World');
    await expect(lastValueFrom(client.send('refuse', {}))).rejects.toEqual({
      status: 'error',
      message: 'nobody to greet',
    });
    await lastValueFrom(client.emit('greeted', 'World'), { defaultValue: undefined });
    await until('it is handled', () => heard.length === 1);
    expect(heard).toEqual(['World']);
  });

  describe('the doors', () => {
    @Controller()
    class Service {
      @MessagePattern('echo')
      echo(@Payload() data: unknown): unknown {
        return data;
      }
    }

    test('createMicroservice with options that are made at start', async () => {
      @Injectable()
      class Settings {
        readonly queue = queue;
      }
      @Module({ providers: [Settings], exports: [Settings] })
      class SettingsModule {}
      await startMicroservice(
        { imports: [SettingsModule], controllers: [Service] },
        {
          useFactory: (settings: Settings) => ({
            strategy: new AmqpServer({ url: broker.url, queue: settings.queue }),
          }),
          inject: [Settings],
        },
      );
      await expect(lastValueFrom(createClosed().send('echo', 1))).resolves.toBe(1);
    });

    test('ClientsModule: register, registerAsync with a factory, with a class; closed with the application', async () => {
      const options = { url: broker.url, queue };
      @Injectable()
      class Settings implements ClientsModuleOptionsFactory {
        readonly options = options;
        createClientOptions(): CustomClientOptions {
          return { customClass: AmqpClient, options };
        }
      }
      @Module({ providers: [Settings], exports: [Settings] })
      class SettingsModule {}
      @Injectable()
      class Asking {
        constructor(
          @Inject('REGISTERED') readonly registered: ClientProxy,
          @Inject('FACTORY') readonly factory: ClientProxy,
          @Inject('CLASS') readonly byClass: ClientProxy,
        ) {}
      }
      const imports = [
        ClientsModule.register([{ name: 'REGISTERED', customClass: AmqpClient, options }]),
        ClientsModule.registerAsync([
          {
            name: 'FACTORY',
            imports: [SettingsModule],
            inject: [Settings],
            useFactory: (settings: Settings) => ({ customClass: AmqpClient, options: settings.options }),
          },
          { name: 'CLASS', useClass: Settings },
        ]),
      ];
      const { app } = await startHybrid({ imports, providers: [Asking], controllers: [Service] }, [{}]);
      const { registered, factory, byClass } = app.get(Asking);
      for (const client of [registered, factory, byClass]) {
        expect(client).toBeInstanceOf(AmqpClient);
        await expect(lastValueFrom(client.send('echo', 'asked'))).resolves.toBe('asked');
      }
      await app.close();
      for (const client of [registered, factory, byClass]) expect(() => client.unwrap()).toThrow(WrongStateError);
    });

    test('@Client on a property; closed with the application', async () => {
      @Controller()
      class Asking {
        @Client({ customClass: AmqpClient, options: { url: broker.url, queue } } as never)
        readonly client!: ClientProxy;
        @Get('ask')
        ask(): Observable<unknown> {
          return this.client.send('echo', 'asked');
        }
      }
      const { app, ask } = await startHybrid({ controllers: [Asking, Service] }, [{}]);
      const { client } = app.get(Asking);
      expect(client).toBeInstanceOf(AmqpClient);
      expect(await ask('/ask')).toEqual([200, 'asked']);
      await app.close();
      expect(() => client.unwrap()).toThrow(WrongStateError);
    });

    test('connectMicroservice with inheritAppConfig: the pipes of the application hold for handlers', async () => {
      @Controller()
      class Typed {
        @MessagePattern('type')
        type(@Payload() value: unknown): string {
          return typeof value;
        }
      }
      const configure = (app: INestApplication): void => {
        app.useGlobalPipes(new ParseIntPipe());
      };
      await startHybrid({ controllers: [Typed] }, [{}], configure, { inheritAppConfig: true });
      await expect(lastValueFrom(createClosed().send('type', '42'))).resolves.toBe('number');
      await startHybrid({ controllers: [Typed] }, [{ queue: `${queue}.alone` }], configure);
      void bench.deleteLater(`${queue}.alone`);
      await expect(lastValueFrom(createClosed({ queue: `${queue}.alone` }).send('type', '42'))).resolves.toBe('string');
    });

    test('handlers that name Transport.RMQ are served once the server says that it is that transport', async () => {
      @Controller()
      class Named {
        @MessagePattern('named', Transport.RMQ)
        named(): string {
          return 'served';
        }
      }
      const server = new AmqpServer({ url: broker.url, queue, ...withoutRetries });
      server.setTransportId(Transport.RMQ);
      await startMicroservice({ controllers: [Named] }, { strategy: server });
      await expect(lastValueFrom(createClosed().send('named', {}))).resolves.toBe('served');
    });
  });
});
