// The command line of the benchmark: parsed, checked, and never repeated with a password in it.
import { parseArgs } from 'node:util';
import { clients } from './clients/index.mjs';
import { modes } from './modes.mjs';

/** The user can put this right: one line, exit code 2. */
export class UsageError extends Error {}

const defaultUrl = 'amqp://guest:guest@127.0.0.1:5672';

export const usage = `Usage: npm run bench -- [publish] [confirm] [consume] [options]

Measures leveret beside other AMQP clients on one broker. Without a mode: all.

  --url URL          the broker (default: $AMQP_URL, else ${defaultUrl})
  --messages N       messages of one measurement, after a warm-up (default 100000)
  --rounds N         measurements of each client, interleaved (default 3)
  --size BYTES       length of a body (default 256)
  --clients A,B      only these: ${clients.map(({ name }) => name).join(', ')}
  --json             print the results as JSON
  --help`;

const specification = {
  url: { type: 'string' },
  messages: { type: 'string', default: '100000' },
  rounds: { type: 'string', default: '3' },
  size: { type: 'string', default: '256' },
  clients: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} environment
 * @throws {UsageError}
 */
export function readOptions(args, environment) {
  const { values, positionals } = parse(args);
  if (values.help) return { help: true };
  const chosenClients = choose('client', listOf(values.clients), new Map(clients.map((each) => [each.name, each])));
  const chosenModes = choose('mode', positionals, new Map(Object.keys(modes).map((name) => [name, name])));
  return {
    help: false,
    json: values.json,
    url: brokerUrl(values.url ?? (environment.AMQP_URL || defaultUrl)),
    messages: positiveInteger('--messages', values.messages),
    rounds: positiveInteger('--rounds', values.rounds),
    size: positiveInteger('--size', values.size),
    clients: chosenClients,
    modes: chosenModes,
  };
}

function parse(args) {
  try {
    return parseArgs({ args, options: specification, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error.message.split(/[.\n]/)[0]} (--help lists the options)`);
  }
}

const listOf = (value) => (value === undefined ? [] : value.split(',').map((part) => part.trim()));

/** What was asked for, once each and in the order of `known`; everything when nothing was. */
function choose(what, asked, known) {
  const unknown = asked.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new UsageError(`unknown ${what} '${withoutCredentials(unknown)}'; known: ${[...known.keys()].join(', ')}`);
  }
  return [...known].filter(([name]) => asked.length === 0 || asked.includes(name)).map(([, value]) => value);
}

function positiveInteger(option, value) {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number) || number < 1) {
    throw new UsageError(`${option} takes a whole number from 1, not '${withoutCredentials(value)}'`);
  }
  return number;
}

function brokerUrl(value) {
  if (!/^amqps?:\/\//i.test(value) || !URL.canParse(value)) {
    throw new UsageError('--url (or AMQP_URL) takes a URL that begins with amqp:// or amqps://');
  }
  return value;
}

/** The text without the user and password of any URL in it. */
export function withoutCredentials(text) {
  return text.replace(/\/\/[^/\s]*@/g, '//');
}

/** The text without this URL's password, wherever and however it stands there. */
export function withoutPassword(text, url) {
  const { password } = new URL(url);
  const forms = new Set([password, decode(password)].filter((form) => form !== ''));
  return [...forms].reduce((rest, form) => rest.replaceAll(form, '***'), withoutCredentials(text));
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
