/**
 * `leveret topology`: a definitions file held against a broker. Plans, applies, watches. Loads neither Nest nor the
 * embedded broker. Prints no password: of URLs nothing is printed, of the file no more than names and arguments.
 */
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import {
  connect,
  fromDefinitions,
  type Connection,
  type Declarations,
  type Drift,
  type Plan,
  type PlannedEntity,
} from '../../amqp/index.js';
import { CommandError, messageOf, wrongCall, type Command } from '../command.js';

const help = `Usage: leveret topology plan  FILE [options]
       leveret topology apply FILE [options]
       leveret topology drift FILE [options]

plan    says what FILE would change on the broker, and changes nothing
apply   declares what is missing; where anything is otherwise than in FILE, nothing
drift   says what is otherwise than in FILE, and then each change, until Ctrl-C

FILE is RabbitMQ's definitions JSON, of which exchanges, queues and bindings of the connection's virtual host count: what
"rabbitmqctl export_definitions FILE" writes, the management API's /api/definitions, or toDefinitions(connection.topology).
"-" reads standard input.

Options:
  --url URL          the broker (default: the environment's AMQP_URL, else amqp://guest:guest@localhost)
  --management URL   its management API with user and password, such as http://guest:guest@localhost:15672
                     (default: the environment's AMQP_MANAGEMENT_URL). Without it bindings are "unknown", and nothing
                     is "extra"
  --interval S       drift: seconds from one look to the next (default 60)
  --json             one JSON object, for drift one a line
  -h, --help         show this

Exit code: 0 all is as in FILE, or was made so; 2 something is missing, in conflict or extra (plan, and drift at its last
look); 1 an error, also a wrong call and what "apply" finds in conflict.
`;

const actions = ['plan', 'apply', 'drift'] as const;

interface Call {
  readonly action: (typeof actions)[number];
  readonly file: string;
  readonly url: string | undefined;
  readonly management: { readonly url: string } | undefined;
  /** Milliseconds. */
  readonly interval: number;
  readonly isJson: boolean;
}

export const topologyCommand: Command = async (options) => {
  const call = read(options);
  if (!call) {
    process.stdout.write(help);
    return;
  }
  const definitions = await readDefinitions(call.file);
  // A plan is worth one try; a watch goes on.
  const connection = await connect(call.url, call.action === 'drift' ? {} : { recovery: false });
  try {
    const { virtualHost } = connection.endpoint;
    const declarations = fromDefinitions(definitions, virtualHost);
    if (declarations.isEmpty) {
      throw new CommandError(1, `topology: ${call.file} has nothing of the virtual host "${virtualHost}"`);
    }
    await actionsByName[call.action](connection, declarations, call);
  } finally {
    await connection.close();
  }
};

const actionsByName = {
  plan: async (connection: Connection, declarations: Declarations, call: Call): Promise<void> => {
    const plan = await connection.plan(declarations, { management: call.management });
    print(call.isJson ? json({ isEqual: plan.isEqual, ...partsOf(plan) }) : `${String(plan)}\n${summaryOf(plan)}`);
    if (!plan.isEqual) process.exitCode = 2;
  },
  apply: async (connection: Connection, declarations: Declarations, call: Call): Promise<void> => {
    const plan = await connection.apply(declarations, { management: call.management });
    const made = plan.missing;
    if (call.isJson) print(json({ made, ...partsOf(plan) }));
    else print([...made.map(({ kind, name }) => `made ${kind} ${name}`), `${String(made.length)} made`].join('\n'));
  },
  drift: async (connection: Connection, declarations: Declarations, call: Call): Promise<void> => {
    const { management, interval, isJson } = call;
    const interruption = new AbortController();
    const interrupt = (): void => interruption.abort();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
    connection.on('lost', ({ cause }) =>
      process.stderr.write(`leveret: topology: ${cause.message}; connecting again\n`),
    );
    connection.on('recovered', () => process.stderr.write('leveret: topology: connected again\n'));
    try {
      const watch = connection.drift({ declarations, management, interval, signal: interruption.signal });
      for await (const drift of watch) {
        print(isJson ? json({ at: new Date(), isEqual: drift.plan.isEqual, ...changesOf(drift) }) : linesOf(drift));
        process.exitCode = drift.plan.isEqual ? 0 : 2;
      }
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
    }
  },
};

// --- what is asked for ----------------------------------------------------------------------------

/** Undefined: asks for help. A wrong call is 1 here: 2 says that there are changes. */
function read(options: string[]): Call | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: options,
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        management: { type: 'string' },
        interval: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) return undefined;
    const [name = '', file, ...rest] = positionals;
    const action = actions.find((one) => one === name);
    if (!action) throw new Error(`say what: ${actions.join(', ')}`);
    if (file === undefined || rest.length > 0) throw new Error(`${action} takes one FILE`);
    const management = values.management ?? process.env['AMQP_MANAGEMENT_URL'];
    return {
      ...{ action, file, url: values.url ?? process.env['AMQP_URL'] },
      management: management === undefined || management === '' ? undefined : { url: management },
      interval: millisecondsOf(values.interval),
      isJson: values.json === true,
    };
  } catch (error) {
    throw new CommandError(1, `topology: ${wrongCall(error)}`);
  }
}

function millisecondsOf(text = '60'): number {
  const milliseconds = Math.round(Number(text) * 1_000);
  if (/^\d+(\.\d+)?$/.test(text) && milliseconds >= 1 && milliseconds < 2 ** 31) return milliseconds;
  throw new Error(`--interval must be seconds, not "${text}"`);
}

async function readDefinitions(file: string): Promise<unknown> {
  let content: string;
  try {
    content = file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(1, `topology: cannot read ${file}: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(content.replace(/^\ufeff/, '')) as unknown;
  } catch {
    // What JSON.parse says repeats a piece of the file, which may hold the users' password hashes.
    throw new CommandError(1, `topology: ${file} is no JSON`);
  }
}

// --- what is said ---------------------------------------------------------------------------------

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function summaryOf({ missing, conflicts, equal, unknown, extra }: Plan): string {
  const counts: [readonly unknown[], string][] = [
    [missing, 'missing'],
    [conflicts, 'in conflict'],
    [extra, 'extra'],
    [equal, 'equal'],
    [unknown, 'unknown'],
  ];
  return counts.map(([list, what]) => `${String(list.length)} ${what}`).join(', ');
}

function linesOf({ missing, conflicts, healed, extra, extraGone }: Drift): string {
  const at = new Date().toISOString();
  const named = (word: string, list: readonly PlannedEntity[]): string[] =>
    list.map(({ kind, name }) => `${at} ${word} ${kind} ${name}`);
  const bound = (word: string, list: Drift['extra']): string[] =>
    list.map(
      ({ source, destination, routingKey }) => `${at} ${word} binding ${source} -> ${destination} (${routingKey})`,
    );
  return [
    ...named('missing', missing),
    ...named('conflict', conflicts),
    ...healed.map(({ kind, name, state }) => `${at} ${state} ${kind} ${name}`),
    ...bound('extra', extra),
    ...bound('gone', extraGone),
  ].join('\n');
}

function partsOf({ entities, extra }: Plan): object {
  return { entities, extra };
}

function changesOf({ missing, conflicts, healed, extra, extraGone }: Drift): object {
  return { missing, conflicts, healed, extra, extraGone };
}

/** On one line. A bigint as a text, which any reader keeps; an error as its message. */
function json(value: object): string {
  return JSON.stringify(value, (_name, inner: unknown) => {
    if (typeof inner === 'bigint') return String(inner);
    return inner instanceof Error ? inner.message : inner;
  });
}
