/**
 * Connection parameters: one documented object, every field optional, and the form in which the other layers use it.
 *
 * `resolve-parameters.ts` makes the one of the other, in which secrets are hidden.
 */
import type { AmqpError } from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import type { SocketOpener, TcpOptions, TlsOptions, TransportFactory } from '../transport/index.js';
import type { IoThreadParameters } from './io-thread-parameters.js';
import type { CredentialsSource, SecretCredentials } from './credentials.js';
import type { PlaintextGuard, PlaintextPolicy } from './plaintext.js';

/** What may differ from endpoint to endpoint. What a URI says wins for its endpoint. */
export interface EndpointParameters {
  /**
   * An AMQP URI, by RabbitMQ's URI specification: `amqp[s]://user:password@host:port/virtual-host?name=value`. Query
   * parameters: `heartbeat` (seconds), `connection_timeout` (milliseconds), `channel_max`, `auth_mechanism` (`plain`,
   * `amqplain` or `external`; where repeated, the first that the broker offers), and with `amqps` `cacertfile`,
   * `certfile`, `keyfile`, `verify` (`verify_peer` or `verify_none`) and `server_name_indication`.
   */
  url?: string | undefined;
  /** Name or address, IPv6 without brackets. A name is looked up anew at every attempt. Default `localhost`. */
  host?: string | undefined;
  /** TCP port. Default 5672, with TLS 5671. */
  port?: number | undefined;
  /** RabbitMQ's virtual host, 255 bytes at most. Default `/`. */
  virtualHost?: string | undefined;
  /** Default `guest`. */
  username?: string | undefined;
  /** Or an OAuth 2 token. Default `guest`. */
  password?: string | undefined;
  /** Instead of `username` and `password`; a function is asked at every connect, within `handshakeTimeout`. */
  credentials?: CredentialsSource | undefined;
  /**
   * TLS with Node's options, or true for the defaults: chain and host verified, TLS 1.2 at least, the host sent as
   * server name. Default: off, on for `amqps`. There is no way back to plain AMQP where TLS fails.
   */
  tls?: TlsOptions | boolean | undefined;
}

/** How a lost connection is rebuilt. */
export interface RecoveryParameters {
  /** Delay before the first attempt is drawn from 0 to this many milliseconds. Default 100. */
  initialDelay?: number | undefined;
  /** Cap of the delay in milliseconds; it doubles up to here. Default 10 000. */
  maxDelay?: number | undefined;
  /** Rounds over the endpoints before `failed`. Default Infinity. */
  attempts?: number | undefined;
  /**
   * Asked whenever a connection or a channel was lost, or could not be rebuilt, whether to try (again). False: the
   * connection is `failed`, the channel `closed`. Default: always.
   */
  when?: ((cause: AmqpError) => boolean) | undefined;
}

/** What may wait while the connection is away or blocked. */
export interface PublishBufferParameters {
  /** Messages per channel. Default 1 000. */
  messages?: number | undefined;
  /** Bytes of bodies per channel; sixteen times that while the connection is up but takes no more. Default 16 MiB. */
  bytes?: number | undefined;
  /** Milliseconds a message waits before it fails with NotSentError; 0 fails at once. Default 10 000. */
  timeout?: number | undefined;
}

/** What holds where `publishBuffer` is silent: 1 000 messages, 16 MiB, 10 000 milliseconds. */
export const publishBufferDefaults = { messages: 1_000, bytes: 16 * 1024 * 1024, timeout: 10_000 } as const;

/** What `connect` takes. A fault in it is a ParametersError that names all of them; nothing is opened then. */
export interface ConnectionParameters extends Omit<EndpointParameters, 'url'> {
  /** One AMQP URI or several, each an endpoint. What a URI is silent about comes from the parameters beside it. */
  url?: string | readonly string[] | undefined;
  /** Several endpoints with parameters of their own, instead of `url`. */
  endpoints?: readonly EndpointParameters[] | undefined;
  /** Order of the endpoints in a round: each round in the order given, or drawn anew. Default `as-given`. */
  order?: 'as-given' | 'shuffled' | undefined;
  /**
   * A login that others on the network can read: `warn` says so once per connection (process warning `LeveretWarning`),
   * `refuse` rejects with PlaintextLoginError before any credential is sent, `allow` is silent. TLS, memory and
   * loopback are no plaintext; a transport of your own says for itself (`Transport.isPrivate`). An `amqps` endpoint
   * whose transport does not say that it is private is refused, unless `allow`. Default `warn`.
   */
  plaintext?: PlaintextPolicy | undefined;
  /**
   * Seconds without a sign of life after which the peer is taken for dead, agreed on in connection.tune; 0 is off; a
   * function is given the broker's proposal. Default: the broker's proposal (RabbitMQ's: 60).
   */
  heartbeat?: number | ((proposed: number) => number) | undefined;
  /** Most channels at a time; 0 is no limit of ours. Default 2047, or less if the broker says so. */
  channelMax?: number | undefined;
  /** Largest frame in bytes, 8192 at least. Default 131072, or less if the broker says so. */
  frameMax?: number | undefined;
  /** Largest method or header frame that is taken in, in bytes: brokers do not hold those to frame_max. Default 16 MiB. */
  maxHeaderSize?: number | undefined;
  /** Largest message that is taken in, in bytes; a larger one ends the connection. Default 128 MiB. */
  maxMessageSize?: number | undefined;
  /** Milliseconds to look up a host and open the TCP connection, or for a transport of your own. Default 10 000. */
  connectTimeout?: number | undefined;
  /** Milliseconds for the TLS handshake. Default 10 000. */
  tlsTimeout?: number | undefined;
  /** Milliseconds for each step of the AMQP handshake, a credentials function being one. Default 10 000. */
  handshakeTimeout?: number | undefined;
  /** Milliseconds to bring up one endpoint as a whole: TCP, TLS and AMQP handshake. Default 30 000. */
  bringUpTimeout?: number | undefined;
  /** Milliseconds for the broker's answer to a synchronous method. Default 30 000. */
  methodTimeout?: number | undefined;
  /**
   * Milliseconds the broker may keep the connection blocked (connection.blocked) before it is given up with
   * BlockedTimeoutError; 0 is without limit. Default 0.
   */
  blockedTimeout?: number | undefined;
  /** Milliseconds that each of the two steps of `close()` may take. Default 10 000. */
  closeTimeout?: number | undefined;
  /** Rounds over the endpoints at the first connect. Default 1; Infinity tries for ever. */
  attempts?: number | undefined;
  /** Milliseconds between rounds of the first connect; within a round nothing waits. Default 2 000. */
  retryDelay?: number | undefined;
  /** Gives up the first connect: it rejects with ConnectionClosedError, whose cause is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Shown by the broker's tools (client property `connection_name`). Default: none. */
  connectionName?: string | undefined;
  /**
   * Added to the client properties sent to the broker (connection.start-ok); one of the same name replaces ours. A table
   * `capabilities` is joined with ours, which stay: the client relies on what it announces.
   */
  clientProperties?: FieldTable | undefined;
  /** Language of the broker's texts. RabbitMQ has `en_US` alone. Default `en_US`. */
  locale?: string | undefined;
  /** Options of the TCP socket: no-delay, keep-alive, IP version, local address, name look-up. */
  tcp?: TcpOptions | undefined;
  /** Carries the bytes instead of TCP or TLS, for instance through a proxy; see `streamTransport`. */
  transport?: TransportFactory | undefined;
  /**
   * Socket and heartbeats in a worker thread: a handler that keeps this thread busy for minutes keeps its connection
   * and its messages, up to the broker's consumer time-out (30 minutes). What arrives meanwhile waits in the thread, up
   * to 64 MiB; beyond that its socket is not read, and RabbitMQ hangs up on it after 15 s. Not with `transport`; options
   * of `tls` and `tcp` that are functions cannot be given to a thread (ParametersError). Default false.
   */
  ioThread?: boolean | IoThreadParameters | undefined;
  /** How a lost connection is rebuilt; false: not at all. Default: endless. */
  recovery?: RecoveryParameters | false | undefined;
  /** What may wait while the connection is away or blocked. */
  publishBuffer?: PublishBufferParameters | undefined;
  /** Publishes that may wait for their confirm, per channel; further ones wait unsent. Default 100 000. */
  maxUnconfirmed?: number | undefined;
  /**
   * Acknowledgements of one turn of the event loop go as one basic.ack with `multiple`, where nothing before them is
   * unsettled: less work for the broker, and for us. False: a basic.ack for each. Default true.
   */
  joinAcks?: boolean | undefined;
}

/** An endpoint with everything a connect to it needs. */
export interface ResolvedEndpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsOptions | false;
  readonly virtualHost: string;
  readonly credentials: SecretCredentials;
  readonly heartbeat: number | ((proposed: number) => number) | undefined;
  readonly channelMax: number;
  readonly connectTimeout: number;
}

export interface ResolvedParameters {
  readonly connectionName: string | undefined;
  readonly endpoints: readonly ResolvedEndpoint[];
  readonly order: 'as-given' | 'shuffled';
  readonly plaintext: PlaintextGuard;
  readonly frameMax: number;
  readonly maxHeaderSize: number;
  readonly maxMessageSize: number;
  readonly tlsTimeout: number;
  readonly handshakeTimeout: number;
  readonly bringUpTimeout: number;
  readonly methodTimeout: number;
  readonly blockedTimeout: number;
  readonly closeTimeout: number;
  readonly attempts: number;
  readonly retryDelay: number;
  readonly clientProperties: FieldTable;
  readonly locale: string;
  readonly tcp: TcpOptions;
  readonly transport: TransportFactory | undefined;
  /** Opens TCP and TLS where no `transport` is given, in this thread or another. */
  readonly openSocket: SocketOpener;
  readonly recovery:
    | {
        readonly initialDelay: number;
        readonly maxDelay: number;
        readonly attempts: number;
        readonly when: ((cause: AmqpError) => boolean) | undefined;
      }
    | false;
  readonly publishBuffer: { readonly messages: number; readonly bytes: number; readonly timeout: number };
  readonly maxUnconfirmed: number;
  readonly joinAcks: boolean;
  readonly signal: AbortSignal | undefined;
}
