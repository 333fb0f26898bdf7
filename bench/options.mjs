// The command line: parsed, checked, and never repeated with a password in it. Every command has these options; some more.
import { parseArgs } from 'node:util';

/** The user can put this right: one line, exit code 2. */
export class UsageError extends Error {}

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };

export const common = {
  url: { ...text, multiple: true },
  embedded: flag,
  json: text,
  rounds: text,
  quick: flag,
  help: flag,
};

export const commonUsage = `  --url [NAME=]URL     a broker, also several, by commas or repeated (default: $AMQP_URL; else a RabbitMQ
                       of our own, where one is installed; else the embedded broker)
  --embedded           the embedded broker, in a process of its own (also)
  --rounds N           measurements of each, interleaved
  --quick              one round, and shorter: to see that it works
  --json FILE          what was measured, added to what FILE has already (default: bench/results/latest.json)
  --help`;

/**
 * @param {string[]} args
 * @param {Record<string, object>} more options of the command, as `parseArgs` takes them
 * @param {{ rounds: number }} defaults `--quick`: one
 * @param {NodeJS.ProcessEnv} environment
 * @throws {UsageError}
 */
export function readOptions(args, more, { rounds }, environment) {
  const { values, positionals } = parse(args, { ...common, ...more });
  if (positionals.length > 0) throw new UsageError(`'${withoutCredentials(positionals[0])}' is not an option`);
  return {
    ...values,
    brokers: brokersOf(values.url ?? (environment.AMQP_URL ? [environment.AMQP_URL] : [])),
    rounds: positiveInteger('--rounds', values.rounds ?? String(values.quick ? 1 : rounds)),
    json: values.json ?? defaultResults,
  };
}

const defaultResults = 'bench/results/latest.json';

export function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error.message.split(/[.\n]/)[0]} (--help lists the options)`);
  }
}

/** @returns {{ name?: string, url: string }[]} */
function brokersOf(values) {
  const parts = values.flatMap((value) => value.split(',')).filter((part) => part !== '');
  return parts.map((part) => {
    const named = /^([^=/:]+)=(.*)$/.exec(part);
    return named === null ? { url: brokerUrl(part) } : { name: named[1], url: brokerUrl(named[2]) };
  });
}

export const listOf = (value) => (value === undefined ? [] : value.split(',').map((part) => part.trim()));

/** What was asked for, once each and in the order of `known`; nothing when nothing was. */
export function choose(what, asked, known) {
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`unknown ${what} '${withoutCredentials(unknown)}'; known: ${known.join(', ')}`);
  }
  return known.filter((name) => asked.includes(name));
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

/** The text without these URLs' passwords, wherever and however they stand there. */
export function withoutPasswords(text, urls) {
  const passwords = urls.map((url) => new URL(url).password).flatMap((password) => [password, decode(password)]);
  const forms = new Set(passwords.filter((form) => form !== ''));
  return [...forms].reduce((rest, form) => rest.replaceAll(form, '***'), withoutCredentials(text));
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
