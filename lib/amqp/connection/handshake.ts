/**
 * The AMQP handshake, from the protocol header to an open connection (AMQP 0-9-1 section 2.2.4).
 *
 *   C: protocol header      S: start      C: start-ok      S: tune      C: tune-ok, open      S: open-ok
 *
 * Leads the talk on channel 0; must not know frames, sockets or other channels.
 */
import {
  AccessRefusedError,
  AuthenticationError,
  ConnectionError,
  ProtocolMismatchError,
  TimeoutError,
  type BrokerReply,
} from '../errors.js';
import {
  replyCodes,
  type FieldTable,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../protocol/index.js';
import { clientProperties } from './client-properties.js';
import { plainResponse, type Credentials } from './credentials.js';
import type { ResolvedEndpoint, ResolvedParameters } from './parameters.js';

/** What client and broker agreed on. */
export interface Tuning {
  channelMax: number;
  /** Bytes. */
  frameMax: number;
  /** Seconds; 0 is off. */
  heartbeat: number;
}

export interface HandshakePort {
  sendProtocolHeader(): void;
  send<Name extends MethodName>(name: Name, fields: MethodInputs[Name]): void;
  /** Waits for one of the methods, within the handshake's time limit; `step` names it in errors. */
  expect(step: string, names: readonly MethodName[]): Promise<Method>;
  onServerProperties(properties: FieldTable): void;
  onTuned(tuning: Tuning): void;
}

/** Resolves when the connection is open; rejects with a typed error that names the step. */
export async function leadHandshake(
  port: HandshakePort,
  endpoint: ResolvedEndpoint,
  parameters: ResolvedParameters,
): Promise<void> {
  const startReply = port.expect('connection.start', ['connection.start']);
  port.sendProtocolHeader();
  const start = (await startReply).fields as MethodFields['connection.start'];
  if (start.versionMajor !== 0 || start.versionMinor !== 9) {
    throw new ProtocolMismatchError(
      `the broker speaks AMQP ${String(start.versionMajor)}.${String(start.versionMinor)}`,
    );
  }
  port.onServerProperties(start.serverProperties);
  if (!start.mechanisms.split(' ').includes('PLAIN')) {
    throw new AuthenticationError(`the broker offers no mechanism that we know: ${start.mechanisms}`);
  }
  const credentials = await obtainCredentials(endpoint, parameters.handshakeTimeout);
  const tuneReply = port.expect('connection.tune', ['connection.tune', 'connection.secure']);
  port.send('connection.start-ok', {
    clientProperties: clientProperties(parameters.clientProperties),
    mechanism: 'PLAIN',
    response: plainResponse(credentials),
    locale: parameters.locale,
  });
  const tune = await tuneReply;
  if (tune.name !== 'connection.tune') {
    throw new AuthenticationError('the broker asks for a second step of PLAIN, which has none');
  }
  const tuning = negotiate(tune.fields, endpoint, parameters);
  port.onTuned(tuning);
  const openReply = port.expect('connection.open', ['connection.open-ok']);
  port.send('connection.tune-ok', tuning);
  port.send('connection.open', { virtualHost: endpoint.virtualHost });
  await openReply;
}

/** A provider function is the user's: it may take as long as a step of the handshake. */
function obtainCredentials(endpoint: ResolvedEndpoint, limit: number): Promise<Credentials> {
  return new Promise<Credentials>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new TimeoutError('the credentials function', limit));
    }, limit);
    endpoint.credentials
      .obtain()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
      });
  });
}

function negotiate(proposed: Tuning, endpoint: ResolvedEndpoint, parameters: ResolvedParameters): Tuning {
  const { heartbeat } = endpoint;
  const seconds = typeof heartbeat === 'function' ? heartbeat(proposed.heartbeat) : (heartbeat ?? proposed.heartbeat);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > 65_535) {
    throw new ConnectionError(`heartbeat: the function must give whole seconds, not ${String(seconds)}`, {
      recoverable: false,
    });
  }
  return {
    // 0 is "no limit" for both.
    channelMax: Math.min(proposed.channelMax || 65_535, endpoint.channelMax || 65_535),
    frameMax: Math.min(proposed.frameMax || parameters.frameMax, parameters.frameMax),
    heartbeat: seconds,
  };
}

/** What a connection.close in the middle of the handshake means; undefined where it has no meaning of its own. */
export function refusalAt(step: string, virtualHost: string, reply: BrokerReply): ConnectionError | undefined {
  const text = `${String(reply.replyCode)} ${reply.replyText}`;
  if (step === 'connection.tune' && reply.replyCode === replyCodes.accessRefused) {
    return new AuthenticationError(`the broker refused the login: ${text}`, { reply });
  }
  if (step === 'connection.open') {
    return new AccessRefusedError(`the broker refused virtual host "${virtualHost}": ${text}`, { reply });
  }
  return undefined;
}
