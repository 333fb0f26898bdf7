/**
 * Turns what a request handler gives (a value, a promise, an observable) into reply packets, as Nest's own `send` does:
 * one per value, the last one marked `isDisposed` where it is known to be the last by then.
 */
import type { Ending } from '../consuming/ending.js';
import { isObservable, of, type Subscription } from 'rxjs';

/** A reply as it goes on the wire, before the serialiser. */
export interface ReplyPacket {
  id?: unknown;
  response?: unknown;
  err?: unknown;
  isDisposed?: boolean;
  status?: string;
}

/**
 * Runs the handler and hands each reply to `respond`, one after the other. Resolves when the last one was sent, with the
 * error that was among them, which is sent where `isTold` says so; rejects when one could not be sent, or with why it was ended, after which nothing more is
 * sent.
 */
export async function runReplies(
  handle: () => unknown,
  respond: (packet: ReplyPacket) => Promise<void>,
  ending: Ending,
  isTold: (error: unknown) => boolean,
): Promise<{ readonly error: unknown } | undefined> {
  let failure: { readonly error: unknown } | undefined;
  const waiting: ReplyPacket[] = [];
  let subscription: Subscription | undefined;
  let isSending = false;
  let isComplete = false;
  let isOver = false;
  try {
    await new Promise<void>((resolve, reject) => {
      const refuse: (reason: unknown) => void = reject;
      ending.onEnd = refuse;

      const sendWaiting = async (): Promise<void> => {
        // A turn later, so that a value and the end right behind it become one packet.
        await new Promise<void>((next) => {
          process.nextTick(next);
        });
        for (let packet = waiting.shift(); packet && !isOver; packet = waiting.shift()) await respond(packet);
        isSending = false;
        if (isComplete) resolve();
      };
      const schedule = (packet: ReplyPacket): void => {
        const last = waiting.at(-1);
        if (packet.isDisposed === true && last) last.isDisposed = true;
        else waiting.push(packet);
        if (isSending || isOver) return;
        isSending = true;
        sendWaiting().catch(refuse);
      };
      const complete = (): void => {
        isComplete = true;
        schedule({ isDisposed: true });
      };
      const completeWith = (error: unknown): void => {
        failure = { error };
        if (!isTold(error)) {
          isComplete = true;
          if (!isSending) resolve();
          return;
        }
        schedule({ err: asReplyError(error) });
        complete();
      };
      const start = async (): Promise<void> => {
        const result = await handle();
        if (isOver) return;
        const values = isObservable(result) ? result : of(result);
        subscription = values.subscribe({
          next: (response) => {
            schedule({ response });
          },
          error: completeWith,
          complete,
        });
      };
      start().catch(completeWith);
    });
  } finally {
    isOver = true;
    ending.onEnd = undefined;
    subscription?.unsubscribe();
  }
  return failure;
}

/** An error that is falsy would read as success, and an Error would be `{}` in JSON. */
function asReplyError(error: unknown): unknown {
  if (error instanceof Error) return { status: 'error', message: error.message };
  return error ?? { status: 'error', message: 'Internal server error' };
}
