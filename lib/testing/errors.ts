/** What a test did not get. */
import { AmqpError } from '../amqp/index.js';

/** What was expected did not come in time, or came too often. The message says what came instead, and what waits still. */
export class ExpectationError extends AmqpError {}
