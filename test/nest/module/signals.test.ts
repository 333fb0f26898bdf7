/** SIGTERM, which is how a fleet is rolled over: what a worker has begun it ends, and the next one finds all the rest. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, eventually } from '../../support/nest-app.js';
import { programOptions } from '../../support/nest-version.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describeOnBroker('a worker under load that is sent SIGTERM', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());

  test('loses nothing and does nothing twice, and its successor goes on', async () => {
    const names = { QUEUE: broker.unique('work'), EVENTS: broker.unique('events'), COPIES: broker.unique('copies') };
    for (const queue of Object.values(names)) await bystander.channel.queueDeclare(queue);
    const output: string[] = [];
    const workers: ChildProcess[] = [];
    const startWorker = async (): Promise<ChildProcess> => {
      const worker = spawn(process.execPath, [...programOptions, 'test/support/programs/worker.ts'], {
        cwd: root,
        env: { ...process.env, ...names, AMQP_URL: broker.url, NODE_OPTIONS: '--unhandled-rejections=strict' },
      });
      workers.push(worker);
      worker.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
      worker.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
      await once(worker.stdout, 'data');
      return worker;
    };
    const count = async (queue: string): Promise<number> => bystander.count(queue);
    let sent = 0;
    const send = async (messages: number): Promise<void> => {
      for (let index = 0; index < messages; index++) {
        const id = sent++;
        if (id % 2 === 0) await bystander.send(names.QUEUE, JSON.stringify(id));
        else await bystander.send(names.EVENTS, { pattern: 'copied', data: id });
      }
    };
    try {
      const worker = await startWorker();
      const sending = send(600);
      await eventually(async () => expect(await count(names.COPIES)).toBeGreaterThan(100), 20_000);
      worker.kill('SIGTERM');
      const since = performance.now();
      const [code, signal] = (await once(worker, 'exit')) as [number | null, string | null];
      // Nest ends the process by the signal, once all is closed.
      expect([code, signal]).toEqual([null, 'SIGTERM']);
      expect(performance.now() - since).toBeLessThan(10_000);
      expect(await count(names.COPIES)).toBeLessThan(600);
      await sending;
      const last = await startWorker();
      await eventually(async () => expect(await count(names.COPIES)).toBe(sent), 20_000);
      last.kill('SIGTERM');
      await once(last, 'exit');
    } finally {
      for (const worker of workers) worker.kill('SIGKILL');
    }
    const copies: number[] = [];
    for (let index = 0; index < sent; index++) {
      copies.push(JSON.parse((await bystander.take(names.COPIES)).body.toString()) as number);
    }
    const all = Array.from({ length: sent }, (_, id) => id);
    expect(copies.toSorted((one, other) => one - other)).toEqual(all);
    for (const queue of Object.values(names)) expect(await count(queue)).toBe(0);
    expect(await count(`${names.QUEUE}.parked`)).toBe(0);
    expect(output.filter((line) => line.trim() !== 'ready')).toEqual([]);
  }, 60_000);
});
