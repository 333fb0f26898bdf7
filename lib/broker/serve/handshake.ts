/**
 * The handshake of one connection: the protocol header, the login, the tuning, the virtual host (AMQP 2.2.4 and 4.2.2).
 *
 *   state: header -> start -> tune -> open -> done
 *
 *   client          broker
 *   "AMQP" 0 0 9 1
 *                   connection.start       mechanisms, and what the broker is
 *   start-ok                               mechanism and answer; who the client is
 *                   connection.tune        limits
 *   tune-ok                                the same, or less
 *   connection.open                        virtual host
 *                   connection.open-ok
 *
 * Must not know channels, nor how a connection ends: what it refuses it throws.
 */
import {
  protocolHeader,
  type FieldTable,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../../amqp/protocol/index.js';
import { connectionRefusal, type ReplyError } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import { authenticate, claimedUser, isLoginRefusal, mechanisms, type ExternalLogin } from './authentication.js';
import type { BrokerContext } from './broker-context.js';
import { serverProperties } from './server-properties.js';
import { assertTuning } from './tuning.js';
import type { User } from './users.js';

/** What a handshake needs of its connection. */
export interface HandshakePort {
  /** A fault has ended the connection meanwhile, or closes it. */
  readonly isEnding: boolean;
  /** A fault refuses the login, whatever the password. */
  readonly isLoginRefused: boolean;
  send<Name extends MethodName>(name: Name, fields: MethodInputs[Name]): void;
  /** It is known who the client says it is. */
  started(): void;
  /** What was agreed on: channels and bytes, where 0 is no limit; seconds, where 0 is off. */
  tuned(agreed: MethodFields['connection.tune-ok']): void;
  /** All is done, and the client is told. */
  opened(virtualHost: VirtualHost): void;
}

/** AMQP 0-9, from before there was 0-9-1: RabbitMQ serves it the same. */
const header09 = Buffer.from('AMQP\x01\x01\x00\x09', 'latin1');
/** 0-9 with whatever revision. */
const amqp09 = Buffer.from(protocolHeader.subarray(0, 7));
const amqp1 = Buffer.from('AMQP\x00\x01\x00\x00', 'latin1');
/** AMQP 1.0, with SASL first. */
const saslHeader = Buffer.from('AMQP\x03\x01\x00\x00', 'latin1');

export class Handshake {
  #state: 'header' | 'start' | 'tune' | 'open' | 'done' = 'header';
  #header: Buffer = Buffer.alloc(0);
  #clientProperties: FieldTable = {};
  #userName = '';
  #user: User | undefined;
  readonly #context: BrokerContext;
  readonly #port: HandshakePort;
  readonly #external: ExternalLogin | undefined;

  /** `external`: who the client is by its certificate, where it was asked for one. */
  constructor(context: BrokerContext, port: HandshakePort, external: ExternalLogin | undefined) {
    this.#context = context;
    this.#port = port;
    this.#external = external;
  }

  get state(): string {
    return this.#state;
  }

  get clientProperties(): Readonly<FieldTable> {
    return this.#clientProperties;
  }

  /** Who logged in, or asks to; empty before. */
  get userName(): string {
    return this.#userName;
  }

  get user(): User {
    if (!this.#user) throw connectionRefusal('internalError', 'no user');
    return this.#user;
  }

  hasCapability(name: string): boolean {
    const { capabilities } = this.#clientProperties;
    return typeof capabilities === 'object' && capabilities !== null && (capabilities as FieldTable)[name] === true;
  }

  /** Before connection.open RabbitMQ just hangs up, but for a refused login that the client asked to be told. */
  mayBeTold(refusal: ReplyError): boolean {
    if (this.#state === 'start') {
      return isLoginRefusal(refusal) && this.hasCapability('authentication_failure_close');
    }
    return this.#state !== 'header' && this.#state !== 'tune';
  }

  /** Takes bytes as long as the header is not there; answers those behind it, or, for another protocol's, a header for it. */
  read(chunk: Buffer): Buffer | { readonly understood: Uint8Array } | undefined {
    if (this.#state !== 'header') return chunk;
    this.#header = Buffer.concat([this.#header, chunk]);
    if (this.#header.length < protocolHeader.length) return undefined;
    const header = this.#header.subarray(0, protocolHeader.length);
    const rest = this.#header.subarray(protocolHeader.length);
    this.#header = Buffer.alloc(0);
    if (!header.equals(protocolHeader) && !header.equals(header09)) return { understood: this.#understood(header) };
    this.#state = 'start';
    this.#port.send('connection.start', {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: serverProperties(this.#context.behaviour),
      mechanisms: mechanisms(this.#external),
      locales: 'en_US',
    });
    return rest.length > 0 ? rest : undefined;
  }

  /** RabbitMQ 4.3 tells whoever speaks no AMQP 0-9 of its AMQP 1.0; who asks for that one hears what is spoken here. */
  #understood(header: Buffer): Uint8Array {
    const { pointsToAmqp1 } = this.#context.behaviour;
    return !pointsToAmqp1 || header.equals(amqp1) || header.equals(saslHeader) || header.subarray(0, 7).equals(amqp09)
      ? protocolHeader
      : saslHeader;
  }

  /** Takes a step, or throws where it is not the turn of this method. */
  take(method: Method): void {
    switch (`${this.#state} ${method.name}` as const) {
      case 'start connection.start-ok':
        if (method.name === 'connection.start-ok') this.#startOk(method.fields);
        return;
      case 'tune connection.tune-ok':
        if (method.name === 'connection.tune-ok') this.#tuneOk(method.fields);
        return;
      case 'open connection.open':
        if (method.name === 'connection.open') this.#open(method.fields.virtualHost);
        return;
      default:
        throw connectionRefusal('channelError', `unexpected method in connection state ${this.#state}`);
    }
  }

  #startOk(fields: MethodFields['connection.start-ok']): void {
    this.#clientProperties = fields.clientProperties;
    this.#userName = claimedUser(fields, this.#external);
    this.#port.started();
    if (this.#port.isEnding) return;
    const users = this.#port.isLoginRefused ? new Map<string, User>() : this.#context.users;
    this.#user = authenticate(users, fields, this.#external);
    this.#state = 'tune';
    this.#port.send('connection.tune', this.#context.tuning);
  }

  #tuneOk(agreed: MethodFields['connection.tune-ok']): void {
    const { tuning, behaviour } = this.#context;
    assertTuning(agreed, tuning, behaviour);
    this.#port.tuned(agreed);
    this.#state = 'open';
  }

  #open(name: string): void {
    const virtualHost = this.#context.virtualHosts.get(name);
    if (!virtualHost) throw connectionRefusal('notAllowed', `vhost ${name} not found`);
    if (!this.user.mayOpen(name)) {
      throw connectionRefusal('notAllowed', `access to vhost '${name}' refused for user '${this.user.name}'`);
    }
    this.#state = 'done';
    this.#port.send('connection.open-ok', {});
    this.#port.opened(virtualHost);
  }
}
