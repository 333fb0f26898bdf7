/**
 * Pika: `async_as_callback.py`. A sender and a receiver whose callback is asynchronous, with typed bodies and headers.
 *
 * Pika needs a wrapper that runs a coroutine to its end in the callback, msgpack for the bodies and pydantic for the
 * headers. Here a callback may return a promise, and bodies and headers have the types that the program gives them.
 *
 *     npx tsx sample/pika/async-as-callback.ts [exchange] [queue]
 */
import { connect } from 'leveret/amqp';

const priorities = { LOW: 1, NORMAL: 5, HIGH: 10 } as const;

interface Job {
  url: string;
}

interface JobHeaders {
  [name: string]: string;
  job_id: string;
  priority: keyof typeof priorities;
}

const [exchange = 'myexchange', queue = 'myqueue'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'], { attempts: 20, retryDelay: 5_000 });
const channel = await connection.openChannel({ confirm: true, prefetch: 1 });
await channel.queueDeclare(queue, { arguments: { 'x-max-priority': priorities.HIGH } });
await channel.exchangeDeclare(exchange, 'direct');
await channel.queueBind(queue, exchange, 'randomkey');

async function send(job: Job, jobId: string, priority: JobHeaders['priority']): Promise<void> {
  await channel.publish(exchange, 'randomkey', JSON.stringify(job), {
    persistent: true,
    priority: priorities[priority],
    contentType: 'application/json',
    headers: { job_id: jobId, priority } satisfies JobHeaders,
  });
}

async function downloadImage(url: string): Promise<string> {
  return Promise.resolve(`the image at ${url}`);
}

await send({ url: 'https://example.com/late.png' }, 'job-1', 'LOW');
await send({ url: 'https://example.com/early.png' }, 'job-2', 'HIGH');

let remaining = 2;
await channel.basicConsume<Job, JobHeaders>(queue, async (delivery) => {
  const { url } = delivery.json();
  console.log(`${delivery.headers.job_id ?? 'a job'}: ${await downloadImage(url)}`);
  delivery.ack();
  remaining -= 1;
  if (remaining === 0) await connection.close();
});
