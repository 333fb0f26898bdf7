/** What `ioThread` may stand beside. */
import { ParametersError, type ConnectionParameters } from 'leveret/amqp';
import { resolveParameters } from '../../../lib/amqp/connection/index.js';

function faultsOf(parameters: unknown): readonly string[] {
  try {
    resolveParameters(parameters as ConnectionParameters);
    return [];
  } catch (error) {
    if (error instanceof ParametersError) return error.faults;
    throw error;
  }
}

test.each<[string, unknown, string[]]>([
  ['true', { ioThread: true }, []],
  ['options', { ioThread: { resourceLimits: { maxOldGenerationSizeMb: 64 }, execArgv: ['--no-warnings'] } }, []],
  ['TLS options that are data', { ioThread: true, tls: { servername: 'broker', rejectUnauthorized: false } }, []],
  ['a number', { ioThread: 1 }, ['ioThread: must be true, false or { resourceLimits, execArgv }']],
  ['an unknown option', { ioThread: { env: {} } }, ['ioThread: env: unknown parameter']],
  ['wrong limits', { ioThread: { resourceLimits: 5 } }, ['ioThread: resourceLimits: must be an object']],
  ['wrong arguments', { ioThread: { execArgv: '--x' } }, ['ioThread: execArgv: must be a list of strings']],
  [
    'a transport of your own',
    { ioThread: true, transport: () => undefined },
    ['ioThread, transport: give one of the two'],
  ],
  [
    'functions among the TLS options',
    { ioThread: true, tls: { checkServerIdentity: () => undefined } },
    ['tls.checkServerIdentity: cannot be given to another thread (ioThread)'],
  ],
  [
    'functions among the TCP options',
    { ioThread: {}, tcp: { lookup: () => undefined } },
    ['tcp.lookup: cannot be given to another thread (ioThread)'],
  ],
  ['functions without it', { tls: { checkServerIdentity: () => undefined }, tcp: { lookup: () => undefined } }, []],
])('%s', (_name, parameters, faults) => {
  expect(faultsOf(parameters)).toEqual(faults);
});
