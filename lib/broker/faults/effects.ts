/** What a fault does to a connection where it strikes. */
import { ArgumentError } from '../../amqp/errors.js';
import { replyCodes } from '../../amqp/protocol/index.js';
import type { FaultyConnection } from '../serve/fault-hooks.js';
import { ConfirmDelay, type PublishFate } from '../serve/conditions.js';
import type { Pace } from '../serve/flow.js';
import { shown } from '../shown.js';
import { ReplyError, type ReplyScope } from '../store/reply-error.js';

/** Where a fault strikes. */
export interface Circumstance {
  readonly connection: FaultyConnection;
  /** The channel and the id of the method at which it strikes; undefined: at none. */
  readonly channel?: number;
  readonly methodId?: number;
}

export interface Effect {
  /** It goes on until it is taken back; otherwise it is done at once. */
  readonly isLasting: boolean;
  /** At a basic.publish it does this instead: it concerns that publish alone. */
  readonly ofPublish?: Effect;
  /** Answers how many things it struck, and how it is taken back; `onGone`: of that nothing is left. */
  strike(at: Circumstance, onGone: () => void): { readonly count: number; readonly undo?: () => void };
}

/** What the broker says when it closes something. */
export interface FaultReply {
  /** The reply code, 200 to 65535. */
  readonly code?: number | undefined;
  /** The reply text, as it is sent, up to 255 bytes. */
  readonly text?: string | undefined;
}

/** Which way: what the broker reads, what it writes, or both. */
export type FaultDirection = 'reads' | 'writes' | 'both';

function instant(act: (at: Circumstance) => number): Effect {
  return { isLasting: false, strike: (at) => ({ count: act(at) }) };
}

function lasting(begin: (connection: FaultyConnection) => () => void): Effect {
  return { isLasting: true, strike: ({ connection }) => ({ count: 1, undo: begin(connection) }) };
}

function mark(fate: PublishFate): Effect {
  return instant(({ connection }) => {
    connection.conditions.mark(fate);
    return 1;
  });
}

export const drop = instant(({ connection }) => {
  connection.destroy();
  return 1;
});

export const reset = instant(({ connection }) => {
  connection.reset();
  return 1;
});

export const halfClose = instant(({ connection }) => {
  connection.line.end();
  return 1;
});

export function close(reply: FaultReply | undefined): Effect {
  const refusal = refusalOf('connection', reply, {
    code: replyCodes.connectionForced,
    text: 'CONNECTION_FORCED - Closed via management plugin',
  });
  return instant(({ connection, methodId }) => {
    connection.close(refusal, methodId);
    return 1;
  });
}

/** The channel of the method at which it strikes; all of the connection where it strikes at none. */
export function closeChannels(reply: FaultReply | undefined): Effect {
  const refusal = refusalOf('channel', reply, {
    code: replyCodes.internalError,
    text: 'INTERNAL_ERROR - closed on purpose',
  });
  return instant(({ connection, channel, methodId }) => {
    const sessions = [...connection.sessions()].filter(
      ({ number, state }) => state === 'open' && (channel === undefined || number === channel),
    );
    for (const { number } of sessions) connection.closeChannel(number, refusal, methodId);
    return sessions.length;
  });
}

/** `queue` undefined: of all queues. */
export function cancelConsumers(queue: string | undefined): Effect {
  if (queue !== undefined && typeof queue !== 'string') throw new ArgumentError('queue', 'must be a string');
  return instant(({ connection }) => {
    let count = 0;
    for (const session of connection.sessions()) {
      for (const consumer of [...session.consumers.values()]) {
        if (queue !== undefined && consumer.queue.name !== queue) continue;
        consumer.queue.removeConsumer(consumer);
        session.cancelled(consumer);
        count++;
      }
    }
    return count;
  });
}

export function silence(direction: FaultDirection): Effect {
  const { reads, writes } = sidesOf(direction);
  return lasting(({ line }) => {
    const undo = [...(writes ? [line.outwardSilence.add(true)] : []), ...(reads ? [line.inwardSilence.add(true)] : [])];
    return () => {
      for (const step of undo) step();
    };
  });
}

export function slow(pace: Partial<Pace>, direction: FaultDirection): Effect {
  const { reads, writes } = sidesOf(direction);
  const { delay = 0, bytesPerSecond = Infinity } = pace;
  milliseconds('delay', delay);
  if (!(bytesPerSecond > 0))
    throw new ArgumentError('bytesPerSecond', `must be more than 0, not ${shown(bytesPerSecond)}`);
  if (delay === 0 && bytesPerSecond === Infinity)
    throw new ArgumentError('pace', 'needs delay, bytesPerSecond, or both');
  return lasting(({ line }) => {
    const undo = [
      ...(writes ? [line.outwardPace.add({ delay, bytesPerSecond })] : []),
      ...(reads ? [line.inwardPace.add({ delay, bytesPerSecond })] : []),
    ];
    return () => {
      for (const step of undo) step();
    };
  });
}

export function split(bytes: number): Effect {
  if (!Number.isInteger(bytes) || bytes < 1) {
    throw new ArgumentError('bytes', `must be an integer from 1 on, not ${shown(bytes)}`);
  }
  return lasting(({ line }) => line.pieceSize.add(bytes));
}

export function merge(time: number): Effect {
  milliseconds('milliseconds', time);
  return lasting(({ line }) => line.joinTime.add(time));
}

export function block(reason: string): Effect {
  if (typeof reason !== 'string' || Buffer.byteLength(reason) > 255) {
    throw new ArgumentError('reason', 'must be a string of up to 255 bytes');
  }
  return lasting(({ conditions }) => conditions.blocked.add(reason));
}

export function delayConfirms(time: number): Effect {
  if (time !== Infinity) milliseconds('milliseconds', time);
  const all = lasting(({ conditions }) => {
    const delay = new ConfirmDelay(time);
    const undo = conditions.confirmDelay.add(delay);
    return () => {
      undo();
      delay.release();
    };
  });
  if (time === Infinity) return { ...all, ofPublish: mark({ delay: new ConfirmDelay(time) }) };
  const one: Effect = {
    isLasting: false,
    strike: ({ connection }, onGone) => {
      const delay = new ConfirmDelay(time, onGone);
      connection.conditions.mark({ delay });
      return {
        count: 1,
        undo: () => {
          delay.release();
        },
      };
    },
  };
  return { ...all, ofPublish: one };
}

export function hinderPublishes(how: 'nack' | 'return'): Effect {
  return { ...lasting(({ conditions }) => conditions.publishes.add(how)), ofPublish: mark({ outcome: how }) };
}

export const refuseLogins = lasting(({ conditions }) => conditions.refusedLogin.add(true));

function sidesOf(direction: FaultDirection): { reads: boolean; writes: boolean } {
  if (!['reads', 'writes', 'both'].includes(direction)) {
    throw new ArgumentError('direction', `must be reads, writes or both, not ${shown(direction)}`);
  }
  return { reads: direction !== 'writes', writes: direction !== 'reads' };
}

/** The longest that a timer of Node's takes. */
const longest = 0x7fff_ffff;

function milliseconds(name: string, value: number): void {
  if (typeof value === 'number' && value >= 0 && value <= longest) return;
  throw new ArgumentError(name, `must be milliseconds from 0 to ${String(longest)}, not ${shown(value)}`);
}

function refusalOf(scope: ReplyScope, reply: FaultReply = {}, otherwise: { code: number; text: string }): ReplyError {
  const code = reply.code ?? otherwise.code;
  if (!Number.isInteger(code) || code < 200 || code > 0xffff) {
    throw new ArgumentError('code', `must be an integer from 200 to 65535, not ${shown(code)}`);
  }
  const text = reply.text ?? (code === otherwise.code ? otherwise.text : textFor(code));
  if (typeof text !== 'string' || Buffer.byteLength(text) > 255) {
    throw new ArgumentError('text', 'must be a string of up to 255 bytes');
  }
  return new ReplyError(scope, code, text);
}

/** RabbitMQ's texts begin with the code's name. */
function textFor(code: number): string {
  const name = Object.entries(replyCodes).find(([, known]) => known === code)?.[0] ?? `error${String(code)}`;
  return `${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()} - on purpose`;
}
