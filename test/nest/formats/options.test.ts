/** Options of formats, compression and layouts that are wrong: a ConfigurationError or ArgumentError that names them. */
import zlib from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { AmqpClient, AmqpServer, ConfigurationError, Consume, InjectPublisher, massTransit, Publisher } from 'leveret';
import { ArgumentError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { messagePack } from '../../support/message-pack.js';
import { closeApplications, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

const hasZstd = 'zstdCompressSync' in zlib;
const nobody = { ...messagePack, serialize: undefined };

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('options of formats', () => {
  const consumeFaults: [object, string][] = [
    [{ formats: messagePack }, 'option "formats" must be a list of formats'],
    [{ formats: [null] }, 'must be a format: { contentTypes, serialize, deserialize }'],
    [{ formats: [nobody] }, 'must have a method serialize'],
    [{ formats: [{ ...messagePack, deserialize: 1 }] }, 'must have a method deserialize'],
    [{ formats: [{ ...messagePack, contentTypes: 'msgpack' }] }, 'must have contentTypes'],
    [{ formats: [{ ...messagePack, contentTypes: [] }] }, 'must have contentTypes'],
    [{ formats: [{ ...messagePack, contentTypes: [undefined] }] }, 'must have contentTypes'],
    [{ formats: [{ ...messagePack, contentTypes: '*/*' }] }, 'must have contentTypes'],
    [{ formats: [{ ...messagePack, contentTypes: 'a/b; c=d' }] }, 'must have contentTypes'],
    [
      { formats: [messagePack, { ...messagePack, contentTypes: 'Application/MSGPACK' }] },
      'two formats for "application/msgpack"',
    ],
    [{ contentType: '' }, 'option "contentType" must not be empty'],
    [{ maxDecompressedSize: 0 }, 'option "maxDecompressedSize" must be a whole number from 1'],
    [{ maxDecompressedSize: Infinity }, 'option "maxDecompressedSize"'],
    [{ layout: 'massTransit' }, 'option "layout" must be a layout'],
    [{ layout: { patternFrom: 'header' } }, 'patternFrom'],
    [{ layout: { patternFrom: { header: '' } } }, 'patternFrom'],
    [{ layout: { patternFrom: { header: 'a', field: 'b' } } }, 'patternFrom'],
    [{ layout: { payloadFrom: { header: 'a' } } }, "must be one of 'body', 'data', { field }, a function"],
    [{ layout: { payload: 'data' } }, 'unknown option "payload"'],
    [{ pattern: [] }, 'option "pattern" must not be an empty list'],
    [{ pattern: 5 }, 'option "pattern" must be a string'],
    [{ catchAll: 'yes' }, 'option "catchAll" must be true or false'],
    [{ catchAll: true, layout: massTransit, pattern: 'a' }, 'pattern has no effect'],
  ];

  test.each(consumeFaults)('@Consume %j', (options, words) => {
    const error = thrownBy(() => {
      class Orders {
        @Consume({ queue: 'q', ...options })
        onOrder(): void {}
      }
      return Orders;
    });
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('Orders.onOrder');
    expect(error.message).toContain(words);
  });

  const publisherFaults: [object, string][] = [
    [{ format: nobody }, 'option "format" must have a method serialize'],
    [
      { compress: 'lzma' },
      "option \"compress\" must be false, { encoding, ... } or one of 'gzip', 'deflate', 'br', 'zstd'",
    ],
    [{ compress: true }, 'option "compress" must be false'],
    [{ compress: {} }, 'option "compress" needs an encoding'],
    [
      { compress: { encoding: 'gzip', level: 12 } },
      'option "compress" has a level that must be a whole number from 1 to 9',
    ],
    [{ compress: { encoding: 'br', level: 12 } }, 'from 0 to 11'],
    [{ compress: { encoding: 'gzip', minimumSize: -1 } }, 'minimumSize'],
    [{ compress: { encoding: 'gzip', size: 1 } }, 'unknown option "size"'],
    ...(hasZstd ? [] : ([[{ compress: 'zstd' }, 'takes Node 22.15 or newer']] as [object, string][])),
  ];

  test.each(publisherFaults)('@InjectPublisher %j', (options, words) => {
    const error = thrownBy(() => {
      class Shop {
        @InjectPublisher(options)
        publisher: unknown;
      }
      return Shop;
    });
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(words);
  });

  test('AmqpServer and AmqpClient', () => {
    for (const options of [
      { formats: [nobody] },
      { maxDecompressedSize: -1 },
      { layout: { a: 1 } },
      { contentType: '' },
    ]) {
      for (const Side of [AmqpServer, AmqpClient]) {
        expect(thrownBy(() => new Side(options as never))).toBeInstanceOf(ConfigurationError);
      }
    }
  });
});

describeOnBroker('options of formats, at start', (broker) => {
  afterEach(closeApplications);

  test('the module, what handlers of one queue say together, and single messages', async () => {
    const queue = broker.unique('options');
    expect((await rejection(startApplication({ url: broker.url, formats: [nobody as never] }, {}))).message).toContain(
      'AmqpModule (connection "default"): option "formats" must have a method serialize (of each format)',
    );
    @Injectable()
    class Useless {
      @Consume({ queue, pattern: 'a' })
      onOrder(): void {}
    }
    @Injectable()
    class Bytes {
      @Consume({ queue, layout: massTransit, pattern: 'a', body: 'bytes' })
      onOrder(): void {}
    }
    @Injectable()
    class Overlap {
      @Consume({ queue, layout: massTransit, pattern: 'a.*' })
      onOne(): void {}
      @Consume({ queue, layout: massTransit, pattern: ['b', 'a.b'] })
      onOther(): void {}
    }
    @Injectable()
    class Silent {
      @Consume({ queue, layout: massTransit, pattern: 'a' })
      onOne(): void {}
      @Consume({ queue, layout: massTransit })
      onOther(): void {}
    }
    @Injectable()
    class Layouts {
      @Consume({ queue, layout: massTransit, pattern: 'a' })
      onOne(): void {}
      @Consume({ queue, layout: { patternFrom: 'type' }, pattern: 'b' })
      onOther(): void {}
    }
    @Injectable()
    class Formats {
      @Consume({ queue, layout: massTransit, pattern: 'a', formats: [messagePack] })
      onOne(): void {}
      @Consume({ queue, layout: massTransit, pattern: 'b', formats: [] })
      onOther(): void {}
    }
    for (const [provider, words] of [
      [Useless, ['Useless.onOrder', 'needs a layout']],
      [Bytes, ['Bytes.onOrder', "body: 'bytes'"]],
      [Overlap, ['Overlap.onOne', 'Overlap.onOther', '"a.*" and "a.b" overlap']],
      [Silent, ['Silent.onOther has no pattern to be told apart by']],
      [Layouts, ['Layouts.onOne', 'Layouts.onOther', 'a different layout']],
      [Formats, ['Formats.onOne', 'Formats.onOther', 'a different formats']],
    ] as const) {
      const error = await rejection(startApplication({ url: broker.url }, { providers: [provider] }));
      expect(error).toBeInstanceOf(ConfigurationError);
      for (const word of words) expect(error.message).toContain(word);
    }
    @Injectable()
    class Shop {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Shop] });
    for (const options of [{ compress: 'lzma' }, { format: nobody }, { contentType: 5 }]) {
      const error = await rejection(app.get(Shop).publisher.publish(queue, 1, options as never));
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error.message).toContain(Object.keys(options)[0]);
    }
  });
});
