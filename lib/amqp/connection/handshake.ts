/**
 * The AMQP handshake, from the protocol header to an open connection (AMQP 0-9-1 section 2.2.4).
 *
 *   C: protocol header   S: start   C: start-ok   { S: secure   C: secure-ok }   S: tune   C: tune-ok, open   S: open-ok
 *
 * Leads the talk on channel 0; must not know frames, sockets or other channels.
 */
import {
  AmqpError,
  AuthenticationError,
  ConnectionError,
  messageOf,
  ProtocolMismatchError,
  TimeoutError,
} from '../errors.js';
import {
  minimumFrameMax,
  type FieldTable,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../protocol/index.js';
import { clientProperties } from './client-properties.js';
import type { ResolvedEndpoint, ResolvedParameters } from './parameters.js';

/** What client and broker agreed on. */
export interface Tuning {
  /** Most channels at a time. */
  channelMax: number;
  /** Bytes. */
  frameMax: number;
  /** Seconds; 0 is off. */
  heartbeat: number;
}

export interface HandshakePort {
  /** What the transport says of itself. */
  readonly way: { readonly description: string; readonly isPrivate: boolean };
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
  const tune = await logIn(port, start.mechanisms.split(' '), endpoint, parameters);
  const tuning = negotiate(tune, endpoint, parameters);
  port.onTuned(tuning);
  const openReply = port.expect('connection.open', ['connection.open-ok']);
  port.send('connection.tune-ok', tuning);
  port.send('connection.open', { virtualHost: endpoint.virtualHost });
  await openReply;
}

/**
 * connection.start-ok, and secure-ok for each connection.secure; answers with the fields of connection.tune. The
 * mechanism is chosen, and the way judged, before any credential is asked for or sent.
 */
async function logIn(
  port: HandshakePort,
  offered: readonly string[],
  endpoint: ResolvedEndpoint,
  parameters: ResolvedParameters,
): Promise<MethodFields['connection.tune']> {
  const limit = parameters.handshakeTimeout;
  const sasl = await bounded('the credentials function', limit, () => endpoint.credentials.choose(offered));
  const { mechanism } = sasl;
  // Not spread: what a transport says of itself may be getters of its class.
  const { description, isPrivate } = port.way;
  if (sasl.carriesSecret) parameters.plaintext.admit({ description, isPrivate, isTlsWanted: endpoint.tls !== false });
  let response = await bounded(`the first response of ${mechanism}`, limit, () => sasl.response());
  let reply = port.expect('connection.tune', ['connection.tune', 'connection.secure']);
  port.send('connection.start-ok', {
    clientProperties: clientProperties(parameters.clientProperties),
    mechanism,
    response,
    locale: parameters.locale,
  });
  for (;;) {
    const { name, fields } = await reply;
    if (name !== 'connection.secure') return fields as MethodFields['connection.tune'];
    const { challenge } = fields;
    const answer = sasl.challenge;
    if (!answer) throw new AuthenticationError(`the broker asks for a second step of ${mechanism}, which has none`);
    response = await bounded(`the answer to a challenge of ${mechanism}`, limit, () => answer(challenge));
    reply = port.expect('connection.tune', ['connection.tune', 'connection.secure']);
    port.send('connection.secure-ok', { response });
  }
}

/** What is the user's to do may take as long as a step of the handshake, and fails as one. */
function bounded<Result>(step: string, limit: number, run: () => Promise<Result>): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new TimeoutError(step, limit));
    }, limit);
    // The limit of the whole keeps the process alive; this one is not to do so once that was given up.
    timer.unref();
    run()
      .then(resolve, (error: unknown) => {
        reject(
          error instanceof AmqpError ? error : new ConnectionError(`${step}: ${messageOf(error)}`, { cause: error }),
        );
      })
      .finally(() => {
        clearTimeout(timer);
      });
  });
}

/**
 * Largest frame before connection.tune, a login with a long token for instance: RabbitMQ up to 4.0 takes 4096 bytes, from
 * 4.1 on 8192, and drops the connection over a larger one, without a word.
 */
export function initialFrameMax({ product, version }: Readonly<FieldTable>): number {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(typeof version === 'string' ? version : '') ?? [];
  const isLarge = product === 'RabbitMQ' && Number(major) * 100 + Number(minor) >= 401;
  return isLarge ? 2 * minimumFrameMax : minimumFrameMax;
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
