/** Where plans ask beside the connection, and how often a watch looks. Must not know plans. */
import { ArgumentError } from '../errors.js';
import type { PlanQuestions } from '../recovery/index.js';
import { checkOptions } from './arguments.js';
import type { Declarations } from './plans.js';

/** RabbitMQ's management API: its URL, and who asks. */
export interface ManagementParameters {
  /**
   * For instance `http://localhost:15672`, with a path where the API has a prefix. User name and password may stand in it
   * as user info, percent-encoded. With `https:` Node's own authorities are trusted, and those of NODE_EXTRA_CA_CERTS.
   */
  url: string | URL;
  /**
   * With the tag `management`. Default: the URL's. Never the connection's: these may be of another kind, and are for the
   * host that they were given for.
   */
  username?: string | undefined;
  /** Default: the URL's. */
  password?: string | undefined;
  /** Milliseconds for all that one plan asks there. Default 10 000. */
  timeout?: number | undefined;
}

/** Options of `connection.plan` and `connection.apply`. */
export interface PlanOptions {
  /** Tells bindings, exact arguments and policies. Without it bindings are unknown. */
  management?: ManagementParameters | undefined;
  /** Gives the plan up, which rejects with an AmqpError whose cause is the signal's reason. Once it declares, `apply` goes on. */
  signal?: AbortSignal | undefined;
}

/** Options of `connection.drift`. */
export interface DriftOptions {
  /** What is to be there. Default: the connection's own `topology`, read anew at each look. */
  declarations?: Declarations | undefined;
  /** Milliseconds from the end of a look to the next. Default 60 000. */
  interval?: number | undefined;
  /** As for `connection.plan`. */
  management?: ManagementParameters | undefined;
  /** Ends the loop, without an error. */
  signal?: AbortSignal | undefined;
}

/** Throws ArgumentError that names the option, for instance `management.url`. */
export function checkPlanOptions(options: PlanOptions): PlanQuestions {
  const { management, signal } = checkOptions(options, { management: 'object', signal: 'signal' }, 'plan');
  return { management: management && checkManagement(management), signal };
}

/** Throws ArgumentError that names the option. */
export function checkDriftOptions(
  options: DriftOptions,
): PlanQuestions & { readonly interval: number; readonly declarations: Declarations | undefined } {
  const kinds = {
    ...({ declarations: 'object', interval: 'milliseconds', management: 'object', signal: 'signal' } as const),
  };
  const { management, signal, interval = 60_000, declarations } = checkOptions(options, kinds, 'drift');
  return { management: management && checkManagement(management), signal, interval, declarations };
}

const managementKinds = { url: 'url', username: 'text', password: 'text', timeout: 'milliseconds' } as const;

function checkManagement(management: ManagementParameters): PlanQuestions['management'] {
  try {
    const given = checkOptions(management, managementKinds, 'management');
    if ((given.url as unknown) === undefined) throw new ArgumentError('url', 'is missing');
    const url = new URL(given.url);
    const username = given.username ?? decode(url.username, 'url');
    const password = given.password ?? decode(url.password, 'url');
    if (username === '') throw new ArgumentError('username', 'is neither given nor in the URL');
    if (username.includes(':')) throw new ArgumentError('username', 'holds a ":", which HTTP cannot say');
    const path = url.pathname.replace(/\/+$/, '');
    return { url: `${url.origin}${path}`, username, password, timeout: given.timeout ?? 10_000 };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const { argument, message, cause } = error;
    const name = argument === 'management: options' ? 'management' : `management.${argument}`;
    throw new ArgumentError(name, message.slice(argument.length + 2), { cause });
  }
}

function decode(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ArgumentError(name, 'its user info is not valid percent-encoding');
  }
}
