/** The TypeScript of docs holds what the types promise; what the README shows is run, in readme.test.ts. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { typeFaults } from '../../support/type-check.js';

/** What the guides of the NestJS side use without saying where it is from. */
const nestNames: Readonly<Record<string, string>> = {
  Ack: "import { Ack } from 'leveret';",
  AmqpContext: "import { AmqpContext } from 'leveret';",
  Consume: "import { Consume } from 'leveret';",
  Ctx: "import { Ctx } from '@nestjs/microservices';",
  InjectPublisher: "import { InjectPublisher } from 'leveret';",
  ParkedMessages: "import { ParkedMessages } from 'leveret';",
  Publisher: "import { Publisher } from 'leveret';",
  Settlement: "import type { Settlement } from 'leveret';",
  Order: 'interface Order { readonly id: string }',
  Job: 'interface Job { readonly id: string }',
  isBusy: 'declare function isBusy(): boolean;',
};

/** How many snippets a page has at least, and what a snippet takes from elsewhere. */
const pages: Readonly<Record<string, { readonly atLeast: number; readonly given: Readonly<Record<string, string>> }>> =
  {
    'client.md': {
      atLeast: 8,
      given: {
        connect: "import { connect } from 'leveret/amqp';",
        connection: "declare const connection: import('leveret/amqp').Connection;",
        channel: "declare const channel: import('leveret/amqp').Channel;",
      },
    },
    'once-only.md': { atLeast: 3, given: {} },
    'flow.md': { atLeast: 3, given: {} },
    'delay.md': { atLeast: 1, given: nestNames },
    'retry.md': { atLeast: 3, given: nestNames },
    'formats.md': {
      atLeast: 6,
      given: {
        AmqpModule: "import { AmqpModule } from 'leveret';",
        AmqpServer: "import { AmqpServer } from 'leveret';",
        AmqpContext: "import { type AmqpContext } from 'leveret';",
        ANY_PATTERN: "import { ANY_PATTERN } from 'leveret';",
        celery: "import { celery } from 'leveret';",
        CeleryTask: "import { type CeleryTask } from 'leveret';",
        Consume: "import { Consume } from 'leveret';",
        InjectPublisher: "import { InjectPublisher } from 'leveret';",
        MessageLayout: "import { type MessageLayout } from 'leveret';",
        Publisher: "import { Publisher } from 'leveret';",
        Ctx: "import { Ctx } from '@nestjs/microservices';",
        EventPattern: "import { EventPattern } from '@nestjs/microservices';",
        messagePack: "declare const messagePack: import('leveret').MessageFormat;",
        shop: "declare const shop: import('leveret').Publisher;",
        order: 'declare const order: object;',
      },
    },
    'migration-nest.md': { atLeast: 2, given: { AppModule: 'class AppModule { readonly name = 1; }' } },
  };

describe.each(Object.entries(pages))('the TypeScript of docs/%s', (page, { atLeast, given }) => {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  const snippets = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);

  test('is checked here', () => {
    expect(snippets.length).toBeGreaterThanOrEqual(atLeast);
  });

  test('compiles', () => {
    const pieces = snippets.map((code, index) => {
      const names = Object.keys(given).filter((name) => {
        const isUsed = new RegExp(`\\b${name}\\b`).test(code);
        return isUsed && !new RegExp(`(const ${name}\\b|import \\{[^}]*\\b${name}\\b)`).test(code);
      });
      return [
        `snippet-${String(index + 1)}`,
        `${names.map((name) => given[name]).join(' ')} export {};\n${code}`,
      ] as const;
    });
    expect(typeFaults(new Map(pieces))).toEqual([]);
  }, 60_000);
});
