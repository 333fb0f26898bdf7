/** The types of leveret/amqp: no `any`, and bodies and headers as users say that they are. */
import { describe, expect, test } from '@jest/globals';
import { typeFaults } from '../../support/type-check.js';

const holds = `
import {
  ArgumentError, connect, UnroutableError, type AmqpError, type Channel, type ConnectionEvents, type Delivery,
} from 'leveret/amqp';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Equal<A, B> extends true ? [] : ['not the same']): void {}

interface Order { id: number }
type OrderHeaders = { tenant: string };
declare const channel: Channel;

await channel.basicConsume<Order, OrderHeaders>('orders', (delivery) => {
  same<ReturnType<typeof delivery.json>, Order>();
  same<typeof delivery.headers.tenant, string | undefined>();
  same<typeof delivery.body, Buffer>();
  same<ReturnType<typeof delivery.ack>, 'sent' | 'stale'>();
  // @ts-expect-error: no such header
  delivery.headers.tenent;
});
for await (const delivery of channel.consume<Order>('orders')) same<typeof delivery, Delivery<Order>>();
const got = await channel.basicGet<Order>('orders');
same<typeof got, Delivery<Order> | null>();
await channel.basicConsume('orders', (delivery) => {
  // Nobody said what it is.
  same<ReturnType<typeof delivery.json>, unknown>();
});

const connection = await connect('amqp://localhost', { heartbeat: (proposed) => { same<typeof proposed, number>(); return 5; } });
connection.on('recovered', (event) => { same<typeof event, ConnectionEvents['recovered']>(); });
channel.on('closed', ({ cause }) => { same<typeof cause, AmqpError>(); });
const error = new Error() as Error | UnroutableError | ArgumentError;
if (error instanceof UnroutableError) same<typeof error.replyCode, number>();
if (error instanceof ArgumentError) same<typeof error.argument, string>();
`;

const faulty = [
  ['an unknown parameter', `await connect('amqp://localhost', { hartbeat: 5 });`],
  ['an unknown option', `await channel.queueDeclare('queue', { durabel: true });`],
  ['an unknown message property', `channel.basicPublish('', 'queue', 'body', { contenttype: 'text/plain' });`],
  ['a body that is an object', `channel.basicPublish('', 'queue', { id: 1 });`],
  ['a header that AMQP cannot carry', `channel.basicPublish('', 'queue', 'body', { headers: { call: () => 1 } });`],
  ['an unknown event', `channel.on('lots', () => undefined);`],
  ['settling by a boolean', `(await channel.basicGet('queue'))?.nack(false);`],
] as const;

describe('the types of leveret/amqp', () => {
  test('bodies and headers are what the user says, events and errors what they are', () => {
    expect(typeFaults(new Map([['holds', holds]]))).toEqual([]);
  }, 60_000);

  test('what cannot work does not compile', () => {
    const start = `import { connect, type Channel } from 'leveret/amqp'; declare const channel: Channel; void connect;\n`;
    const pieces = faulty.map(([, code], index) => [`fault-${String(index)}`, start + code] as const);
    const faults = typeFaults(new Map(pieces));
    const accepted = faulty.filter((_, index) => !faults.some((line) => line.startsWith(`fault-${String(index)}:2`)));
    expect(accepted).toEqual([]);
  }, 60_000);

  test('there is no `any` among them', () => {
    // A type that is any is assignable to never, as none else is.
    const code = `
import * as amqp from 'leveret/amqp';
type IsAny<T> = 0 extends 1 & T ? true : false;
type Args<T> = T extends (...args: infer A) => infer R ? [...A, R] : [];
type Flaw<T> = true extends { [K in keyof T]: IsAny<T[K]> | (Args<T[K]> extends infer L ? { [I in keyof L]: IsAny<L[I]> }[keyof L & \`\${number}\`] : never) }[keyof T] ? 'any' : 'none';
const none: 'none'[] = [
${['Channel', 'Connection', 'Consumer', 'Delivery', 'DeliveryStream', 'ReturnedMessage', 'TopologyRecord', 'AmqpError']
  .map((name) => `  null! as Flaw<amqp.${name}>,`)
  .join('\n')}
${[
  'ConnectionParameters',
  'RecoveryParameters',
  'PublishProperties',
  'ConsumeOptions',
  'TlsOptions',
  'TcpOptions',
  'ConnectionEvents',
  'ChannelEvents',
  'Transport',
  'SettleDiagnostics',
]
  .map((name) => `  null! as Flaw<Required<amqp.${name}>>,`)
  .join('\n')}
  null! as Flaw<typeof amqp>,
];
const caught: 'any' = null! as Flaw<{ call(value: any): void }>;
`;
    expect(typeFaults(new Map([['any', code]]))).toEqual([]);
  }, 60_000);
});
