// A fixed piece of work of the kind that a client does: bytes written and read, short strings, small objects, a map. What a
// client costs in multiples of it says the same on a fast machine and on a slow one.

const rounds = 5;
const steps = 40_000;
const buffer = Buffer.alloc(4096);

/** CPU microseconds of a step, in the least of some rounds. */
export function yardstick() {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    if (work() !== steps) throw new Error('the yardstick lost a step');
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / steps);
  }
  return least;
}

function work() {
  const waiting = new Map();
  let done = 0;
  for (let step = 0; step < steps; step++) {
    const at = (step * 64) % 4032;
    buffer.writeUInt32BE(step, at);
    buffer.latin1Write('order.created', at + 4);
    const message = { tag: buffer.readUInt32BE(at), key: buffer.latin1Slice(at + 4, at + 17), properties: undefined };
    waiting.set(message.tag, message);
    if (waiting.size > 250) waiting.delete(step - 250);
    if (message.key === 'order.created') done += 1;
  }
  return done;
}
