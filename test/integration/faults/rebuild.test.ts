/** `connection.rebuild()`, deletes and losses at the same time: none may wait for the other for ever. */
import { describeOnBroker } from '../../support/brokers.js';
import { pause, until } from '../../support/waiting.js';
import { Standards } from './support.js';

describeOnBroker('a rebuild on demand', (broker) => {
  const standards = new Standards();

  test('that waits for a delete when the connection is lost: the recovery waits for neither, and the queue stays away', async () => {
    let isHeld = true;
    const proxy = await standards.proxy(broker.url, {
      behave: () => ({ onFrame: ({ name, bytes }) => (isHeld && name === 'queue.delete-ok' ? undefined : bytes) }),
    });
    const witness = await standards.connect(proxy.url);
    const { connection } = witness;
    const channel = await connection.openChannel();
    const queue = broker.unique('deleted');
    await channel.queueDeclare(queue);
    const deleted = channel.queueDelete(queue);
    const rebuilt = connection.rebuild();
    rebuilt.catch(() => undefined);
    // Both are under way.
    await pause(50);
    isHeld = false;
    await witness.recoveredAfter(() => proxy.cut(), 3_000);
    await deleted;
    await rebuilt.catch(() => undefined);
    expect(await channel.queueExists(queue)).toBe(false);
    expect(connection.topology.queues).toEqual([]);
    witness.expectOutages(1);
  });

  test('again and again, with declares, deletes and cuts: in the end the broker has what the record has', async () => {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const { connection } = witness;
    const channel = await connection.openChannel();
    const names = Array.from({ length: 20 }, () => broker.unique('stormy'));
    const end = performance.now() + 1_500;
    const whileIt = async (run: (round: number) => Promise<unknown>): Promise<void> => {
      for (let round = 0; performance.now() < end; round++) await run(round).catch(() => undefined);
    };
    await Promise.all([
      whileIt(async () => {
        await pause(20 + Math.random() * 100);
        proxy.cut();
      }),
      whileIt(() => connection.rebuild()),
      whileIt((round) => {
        const name = names[round % names.length] ?? '';
        const isThere = connection.topology.queues.some((queue) => queue.name === name);
        return isThere ? channel.queueDelete(name) : channel.queueDeclare(name);
      }),
    ]);
    await until('it is open', () => connection.isOpen && channel.isOpen, 3_000);
    await connection.rebuild();
    const recorded = connection.topology.queues.map(({ name }) => name);
    const there: string[] = [];
    for (const name of names) if (await channel.queueExists(name)) there.push(name);
    expect(new Set(there)).toEqual(new Set(recorded));
    for (const name of there) await channel.queueDelete(name);
  }, 15_000);
});
