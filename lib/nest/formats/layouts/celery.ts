/**
 * Celery (Python), protocol version 2: the task in headers (`task`, `id`, `retries`, `eta`, `expires`, ...), the body
 *
 *   [args, kwargs, { callbacks, errbacks, chain, chord }]
 *
 * as JSON, or in another format of kombu's that is given as one of ours.
 */
import type { Delivery } from '../../../amqp/index.js';
import { UnreadableBodyError } from '../../errors.js';
import { isRecord } from '../../option-checks.js';
import type { MessageLayout } from '../message-layout.js';

/** What a handler is given of a task. */
export interface CeleryTask {
  readonly id: string;
  /** Its name: `shop.tasks.send_mail`. */
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** What is to follow it, where its sender says so. */
  readonly embed: Readonly<Record<string, unknown>>;
  /** How often it was tried before. */
  readonly retries: number;
  /** When it is to run, and until when at the latest (ISO 8601); undefined: at once, and always. */
  readonly eta: string | undefined;
  readonly expires: string | undefined;
}

/** The pattern is the name of the task, the payload a CeleryTask. */
export const celery: MessageLayout = { patternFrom: { header: 'task' }, payloadFrom: taskOf };

function taskOf(body: unknown, delivery: Delivery): CeleryTask {
  const { headers = {} } = delivery.properties;
  const text = (name: string): string | undefined => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const [id, task] = [text('id'), text('task')];
  if (id === undefined || task === undefined) {
    throw new UnreadableBodyError('it is no Celery task of protocol 2: the headers task and id are not there');
  }
  if (!Array.isArray(body) || body.length !== 3) {
    throw new UnreadableBodyError('the body of a Celery task is no list of args, kwargs and embed');
  }
  const [args, kwargs, embed] = body as readonly unknown[];
  if (!Array.isArray(args) || !isRecord(kwargs)) {
    throw new UnreadableBodyError('the args of a Celery task are no list, or its kwargs no object');
  }
  if (embed !== null && !isRecord(embed)) throw new UnreadableBodyError('the embed of a Celery task is no object');
  const { retries } = headers;
  return {
    id,
    task,
    args,
    kwargs,
    embed: embed ?? {},
    retries: typeof retries === 'number' ? retries : 0,
    eta: text('eta'),
    expires: text('expires'),
  };
}
