// The command line of the benchmark: parsed, checked, and never repeated with a password in it.
import { parseArgs } from 'node:util';
import { defaultSuites, suitesByWord } from './suites.mjs';

/** The user can put this right: one line, exit code 2. */
export class UsageError extends Error {}

const defaultUrl = 'amqp://guest:guest@127.0.0.1:5672';

export const usage = `Usage: npm run bench -- ${wordsOf(defaultSuites)} [options]
       npm run bench -- ${[...suitesByWord.keys()].join('|')} ${wordsOf(suitesByWord.get('nest'))} [options]
       npm run bench -- broker [options]     the embedded broker, beside others; its options: broker --help

Measures leveret on one broker beside other AMQP clients, or (nest) beside what NestJS has for RabbitMQ otherwise.
Without a mode: all.

  --url URL          the broker (default: $AMQP_URL, else ${defaultUrl})
  --messages N       messages of one measurement, after a warm-up (default ${defaultSuites[0].messages}; nest: ${suitesByWord.get('nest')[0].messages})
  --rounds N         measurements of each client, interleaved (default 3)
  --size BYTES       length of a body (default 256)
  --clients A,B      only these: ${namesOf(defaultSuites)}
                     nest: ${namesOf(suitesByWord.get('nest'))}
  --json             print the results as JSON
  --help`;

const specification = {
  url: { type: 'string' },
  messages: { type: 'string' },
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
  const asked = suitesByWord.get(positionals[0]);
  const suites = asked ?? defaultSuites;
  const clients = choose(
    'client',
    listOf(values.clients),
    unique(suites, ({ clients }) => clients.map(nameOf)),
  );
  const modes = choose('mode', asked ? positionals.slice(1) : positionals, unique(suites, modesOf));
  return {
    help: false,
    json: values.json,
    url: brokerUrl(values.url ?? (environment.AMQP_URL || defaultUrl)),
    messages: positiveInteger('--messages', values.messages ?? String(suites[0].messages)),
    rounds: positiveInteger('--rounds', values.rounds),
    size: sizeFor(suites, positiveInteger('--size', values.size)),
    // Not every suite has each of the clients.
    suites: suites
      .map((suite) => ({
        ...suite,
        modeNames: modes,
        clients: suite.clients.filter(({ name }) => clients.includes(name)),
      }))
      .filter((suite) => suite.clients.length > 0),
  };
}

function nameOf({ name }) {
  return name;
}

function modesOf({ modes }) {
  return Object.keys(modes);
}

/** What `listOf` says of each suite, once each. */
function unique(suites, listOf) {
  return [...new Set(suites.flatMap(listOf))];
}

function wordsOf(suites) {
  return unique(suites, modesOf)
    .map((name) => `[${name}]`)
    .join(' ');
}

function namesOf(suites) {
  return unique(suites, ({ clients }) => clients.map(nameOf)).join(', ');
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
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`unknown ${what} '${withoutCredentials(unknown)}'; known: ${known.join(', ')}`);
  }
  return known.filter((name) => asked.length === 0 || asked.includes(name));
}

function sizeFor(suites, size) {
  try {
    for (const { messageOf } of suites) messageOf(size);
  } catch (error) {
    throw new UsageError(`--size: ${error.message}`);
  }
  return size;
}

export function positiveInteger(option, value) {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number) || number < 1) {
    throw new UsageError(`${option} takes a whole number from 1, not '${withoutCredentials(value)}'`);
  }
  return number;
}

export function brokerUrl(value) {
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
