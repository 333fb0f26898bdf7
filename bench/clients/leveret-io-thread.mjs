// leveret with its socket in a thread of its own, otherwise as in leveret.mjs.
import { connect as connectToBroker } from '../../dist/esm/amqp/index.js';
import { sessionOver } from './leveret.mjs';

export async function connect(url) {
  return sessionOver(await connectToBroker(url, { ioThread: true }));
}
