// One measurement of latency: from publish to delivery, by a schedule. Every millisecond `rate / 1000` messages are due, and
// are sent then, however late earlier ones are; what counts is the time from when a message was due until it is delivered.
// So a client that stands still for a while has that in the latency of each message that it kept waiting, not of one only.
//
// The client publishes over one connection and consumes over another, without confirms and acknowledgements.
import { Worker } from 'node:worker_threads';
import { text } from 'node:stream/consumers';
import { build } from 'hdr-histogram-js';

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

const { clientFile, url, queue, rate, size, warmUpSeconds, seconds } = JSON.parse(await text(process.stdin));
const { connect } = await import(clientFile);
const [listener, sender] = [await connect(url), await connect(url)];
const properties = { contentType: 'application/octet-stream' };

const perMillisecond = rate / 1000;
const warmUp = rate * warmUpSeconds;
const total = warmUp + rate * seconds;
/** In microseconds, to three digits. */
const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 120e6, numberOfSignificantValueDigits: 3 });

let delivered = 0;
let begin;
let cpuBefore;
let onAll;
const all = new Promise((resolve) => (onAll = resolve));
await listener.listen(queue, (body) => {
  const number = new DataView(body.buffer, body.byteOffset, 4).getUint32(0);
  if (number !== delivered) throw new Error(`message ${number} came where ${delivered} was due`);
  if (number >= warmUp) {
    const due = begin + Math.floor(number / perMillisecond);
    histogram.recordValue(Math.max(0, Math.round((performance.now() - due) * 1000)));
  }
  delivered += 1;
  if (delivered === warmUp) cpuBefore = process.cpuUsage();
  if (delivered === total) onAll();
});
const send = await sender.sender(queue, properties);

let sent = 0;
const metronome = new Worker(new URL('./metronome.mjs', import.meta.url), { execArgv: [] });
metronome.on('message', () => {
  begin ??= performance.now();
  const due = Math.min(total, (Math.floor(performance.now() - begin) + 1) * perMillisecond);
  for (; sent < due; sent += 1) {
    const body = Buffer.alloc(size, 'x');
    body.writeUInt32BE(sent, 0);
    send(body);
  }
});
await all;
const { user, system } = process.cpuUsage(cpuBefore);
await metronome.terminate();
for (const session of [listener, sender]) await session.close();
const at = (percent) => histogram.getValueAtPercentile(percent) / 1000;
const result = {
  p50: at(50),
  p90: at(90),
  p99: at(99),
  'p99.9': at(99.9),
  max: histogram.maxValue / 1000,
  cpuMicrosecondsPerMessage: (user + system) / (total - warmUp),
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
