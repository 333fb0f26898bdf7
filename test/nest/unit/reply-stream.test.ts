import { Ending } from '../../../lib/nest/consuming/ending.js';
import { EMPTY, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { runReplies, type ReplyPacket } from '../../../lib/nest/transport/reply-stream.js';

describe('replies', () => {
  const collect = async (
    handle: () => unknown,
    isTold: (error: unknown) => boolean = () => true,
  ): Promise<ReplyPacket[]> => {
    const packets: ReplyPacket[] = [];
    const respond = async (packet: ReplyPacket): Promise<void> => {
      packets.push({ ...packet });
    };
    await runReplies(handle, respond, new Ending(), isTold);
    return packets;
  };

  test('have the form of Nest', async () => {
    await expect(collect(() => 1)).resolves.toEqual([{ response: 1, isDisposed: true }]);
    await expect(collect(async () => of(1, 2))).resolves.toEqual([{ response: 1 }, { response: 2, isDisposed: true }]);
    await expect(collect(() => EMPTY)).resolves.toEqual([{ isDisposed: true }]);
    await expect(collect(() => throwError(() => 'no'))).resolves.toEqual([{ err: 'no', isDisposed: true }]);
    await expect(collect(() => Promise.reject(new Error('no')))).resolves.toEqual([
      { err: { status: 'error', message: 'no' }, isDisposed: true },
    ]);
    // A falsy error would read as success.
    await expect(collect(() => throwError(() => undefined))).resolves.toMatchObject([{ err: { status: 'error' } }]);
  });

  test('say nothing of an error that is not told, but what came before it', async () => {
    const failing = new Observable((subscriber) => {
      subscriber.next(1);
      setImmediate(() => subscriber.error(new Error('not told')));
    });
    await expect(
      collect(
        () => failing,
        () => false,
      ),
    ).resolves.toEqual([{ response: 1 }]);
    await expect(
      collect(
        () => throwError(() => 'no'),
        () => false,
      ),
    ).resolves.toEqual([]);
  });

  test('end with a value that came before the end', async () => {
    const values = new Subject<number>();
    const packets = collect(() => values);
    await new Promise(setImmediate);
    values.next(1);
    await new Promise(setImmediate);
    values.complete();
    await expect(packets).resolves.toEqual([{ response: 1 }, { isDisposed: true }]);
  });

  test('stop at an abort, and when one cannot be sent', async () => {
    const ending = new Ending();
    let isSubscribed = false;
    const source = new Observable(() => {
      isSubscribed = true;
      return () => {
        isSubscribed = false;
      };
    });
    const run = runReplies(
      () => source,
      async () => undefined,
      ending,
      () => true,
    );
    await new Promise(setImmediate);
    expect(isSubscribed).toBe(true);
    ending.end(new Error('closing'));
    await expect(run).rejects.toThrow('closing');
    expect(isSubscribed).toBe(false);
    const unsendable = runReplies(
      () => of(1, NEVER),
      () => Promise.reject(new Error('not sent')),
      new Ending(),
      () => true,
    );
    await expect(unsendable).rejects.toThrow('not sent');
  });
});
