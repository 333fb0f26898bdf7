// Tests of the client that are known to fail on a runtime, each with the reason. scripts/test-runtimes.mjs prints them,
// counts them apart, and fails when one of them passes or is no longer there. docs/runtimes.md says them to users.

const tls = 'test/integration/connection/tls.test.ts';
const refused = 'a TLS connection is refused clearly, and no credential is sent,';
const taken = 'a TLS connection to the embedded broker';
const ioThread = 'test/integration/threads/io-thread.test.ts';

/** The same test on the real broker and on the embedded one. */
function onBrokers(runtime, test, reason) {
  return ['RabbitMQ', 'embedded'].map((broker) => ({
    runtime,
    file: ioThread,
    test: `a connection with an I/O thread (${broker}) ${test}`,
    reason,
  }));
}

function shareTests(test, reason) {
  return ['RabbitMQ', 'embedded'].map((broker) => ({
    runtime: 'deno',
    file: 'test/integration/threads/share-faults.test.ts',
    test: `a share (${broker}) whose connection is closed ${test}`,
    reason,
  }));
}

const secLevel = "BoringSSL does not know OpenSSL's @SECLEVEL: no test server for TLS 1.1 can be made";
const noOldTls = 'Deno speaks TLS 1.2 and 1.3 only, and hangs up without an alert on older peers';
const noExecArgv = 'Deno refuses --import in execArgv, and ignores the option that Node refuses there';
const deafPort =
  'a port of Deno tells nobody that its other end was closed before anybody listened, and cannot be handed on';
const noListenerCount = 'a MessagePort of Deno has no listenerCount';
const noWorkerOptions = 'Bun ignores execArgv of a worker thread, with which the test makes it fail';

/**
 * `{ runtime: 'bun' | 'deno', file: 'test/….test.ts', test: 'full name', reason: 'one sentence', mayPass }`; `mayPass`
 * for what depends on the machine's speed alone.
 */
export const knownFailures = [
  { runtime: 'bun', file: tls, test: `${refused} a broker with TLS 1.1 only: TlsError`, reason: secLevel },
  {
    runtime: 'bun',
    file: tls,
    test: `${taken} TLS 1.2 is taken, TLS 1.1 only where the user says so`,
    reason: secLevel,
  },
  ...onBrokers('bun', 'is lost when its thread crashes, and recovers with another', noWorkerOptions),
  ...onBrokers('bun', 'that could not start its thread is a refused connection', noWorkerOptions),
  ...onBrokers(
    'bun',
    'with an execArgv that Node does not take for a thread says so, and not that a broker refused',
    noWorkerOptions,
  ),
  {
    runtime: 'bun',
    file: ioThread,
    test: '(the process)',
    reason: 'the connection that the test before expects to be refused is made, and stays open',
  },
  { runtime: 'deno', file: tls, test: `${refused} a broker with TLS 1.1 only: TlsError`, reason: noOldTls },
  {
    runtime: 'deno',
    file: tls,
    test: `${taken} TLS 1.2 is taken, TLS 1.1 only where the user says so`,
    reason: noOldTls,
  },
  {
    runtime: 'deno',
    file: tls,
    test: `${refused} no cipher in common: TlsError`,
    reason: 'Deno ignores the TLS option `ciphers`: the connection is made',
  },
  {
    runtime: 'deno',
    file: tls,
    test: `${refused} TLS options that cannot hold are named before anything is opened, all at once`,
    reason: 'Deno looks at certificate and key when it connects, not before',
  },
  {
    runtime: 'deno',
    file: tls,
    test: `${taken} the host is sent as server name (SNI), an address is not`,
    reason: "Deno's TLS server calls SNICallback with an empty name where none was sent",
  },
  ...onBrokers(
    'deno',
    'is lost when its thread crashes, and recovers with another',
    'Deno refuses execArgv with --import, with which the test makes the thread crash',
  ),
  ...onBrokers('deno', 'that could not start its thread is a refused connection', noExecArgv),
  ...onBrokers(
    'deno',
    'with an execArgv that Node does not take for a thread says so, and not that a broker refused',
    noExecArgv,
  ),
  {
    runtime: 'deno',
    file: ioThread,
    test: '(the process)',
    reason: 'the connection that the test before expects to be refused is made, and stays open',
  },
  ...shareTests('refuses at once who comes late, and again', deafPort),
  ...shareTests('refuses a port that its user closed', deafPort),
  ...shareTests('refuses a worker that is started afterwards', deafPort),
  ...shareTests('keeps no listeners of tries that failed', noListenerCount),
  {
    runtime: 'deno',
    file: ioThread,
    test: 'a handler that computes for three heartbeat intervals (RabbitMQ) while more arrives than its thread may keep, loses nothing: who does not read judges nobody',
    reason: 'a MessagePort of Deno moves some 10 MB/s, far below Node.js: 100 MB take longer than the test waits',
    mayPass: true,
  },
];
