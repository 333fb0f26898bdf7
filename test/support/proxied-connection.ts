/**
 * One connection that goes through the TCP proxy, and what can be done to it. Knows its two sockets; must not know the
 * other connections, nor who listens.
 */
import type { Socket } from 'node:net';
import { FrameScanner, type ScannedFrame } from './frame-scanner.js';

export type Direction = 'toBroker' | 'toClient';
export const directions: readonly Direction[] = ['toBroker', 'toClient'];

/** A frame on its way through. */
export interface ProxiedFrame extends ScannedFrame {
  readonly direction: Direction;
  /** Its place among all frames of its direction in this connection, from 1. */
  readonly ordinal: number;
  /** Its place among those of its name, from 1. */
  readonly occurrence: number;
}

export type Act = (connection: ProxiedConnection) => void;

/** Something that happens when a frame comes by. */
export interface FrameFault {
  readonly direction: Direction;
  /** A method's name, or what else FrameScanner calls a frame. Default: any. */
  readonly name?: string;
  /** Which of that name, from 1. Default 1. */
  readonly occurrence?: number;
  /** Before the frame is passed on, or after. Default `before`. */
  readonly when?: 'before' | 'after';
  readonly act: Act;
}

/** Something that happens when exactly so many bytes were passed on in a direction. */
export interface ByteFault {
  readonly direction: Direction;
  readonly bytes: number;
  readonly act: Act;
}

/** What is different about a connection; nothing of it is. */
export interface Behaviour {
  /** Reset as soon as it is there. */
  readonly refuse?: boolean;
  /** Nothing of what comes is passed on in either direction, from the start. */
  readonly silent?: boolean;
  /** Milliseconds that everything takes longer, each way. */
  readonly latency?: number;
  readonly afterBytes?: ByteFault;
  readonly atFrame?: FrameFault;
  /** Given every whole frame; what it returns goes on in its place, and nothing where that is undefined. */
  readonly onFrame?: (frame: ProxiedFrame, connection: ProxiedConnection) => Uint8Array | undefined;
}

/**
 * `hold`: nothing is read any more, and TCP's windows fill: a black hole, in which the end of a side is not noticed
 * either. `swallow`: what comes is read and dropped, while ends are passed on: a peer that is silent.
 */
export type Flow = 'pass' | 'hold' | 'swallow';

/** Bytes that are left until something happens; shared between connections where it counts over all of them. */
export class ByteCountdown {
  readonly direction: Direction;
  readonly act: Act;
  left: number;

  constructor({ direction, bytes, act }: ByteFault) {
    this.direction = direction;
    this.left = bytes;
    this.act = act;
  }
}

/** One direction of a connection. */
class Lane {
  passed = 0;
  readonly #direction: Direction;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #owner: ProxiedConnection;
  readonly #behaviour: Behaviour;
  readonly #countdowns: () => readonly ByteCountdown[];
  readonly #scanner: FrameScanner | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #occurrences = new Map<string, number>();
  #frames = 0;
  #held: Uint8Array[] = [];
  #flow: Flow = 'pass';

  constructor(
    direction: Direction,
    from: Socket,
    to: Socket,
    owner: ProxiedConnection,
    behaviour: Behaviour,
    countdowns: () => readonly ByteCountdown[],
  ) {
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    this.#owner = owner;
    this.#behaviour = behaviour;
    this.#countdowns = countdowns;
    if (behaviour.onFrame || behaviour.atFrame?.direction === direction) this.#scanner = new FrameScanner();
    from.on('data', (chunk) => {
      this.#take(chunk);
    });
    from.on('end', () => {
      this.#later(() => to.end());
    });
    to.on('drain', () => {
      if (this.#flow !== 'hold') from.resume();
    });
    from.on('close', () => {
      for (const timer of this.#timers) clearTimeout(timer);
    });
  }

  set flow(flow: Flow) {
    this.#flow = flow;
    if (flow === 'hold') {
      this.#from.pause();
      return;
    }
    for (const bytes of this.#held.splice(0)) this.#pass(bytes);
    this.#from.resume();
  }

  #take(chunk: Buffer): void {
    if (!this.#scanner || this.#flow === 'swallow') {
      this.#pass(chunk);
      return;
    }
    for (const scanned of this.#scanner.push(chunk)) this.#takeFrame(scanned);
  }

  #takeFrame(scanned: ScannedFrame): void {
    this.#frames += 1;
    const occurrence = (this.#occurrences.get(scanned.name) ?? 0) + 1;
    this.#occurrences.set(scanned.name, occurrence);
    const frame = { ...scanned, direction: this.#direction, ordinal: this.#frames, occurrence };
    const { onFrame, atFrame } = this.#behaviour;
    const isMeant =
      atFrame?.direction === this.#direction &&
      (atFrame.name === undefined
        ? frame.ordinal === (atFrame.occurrence ?? 1)
        : frame.name === atFrame.name && occurrence === (atFrame.occurrence ?? 1));
    if (isMeant && atFrame.when !== 'after') atFrame.act(this.#owner);
    const bytes = onFrame ? onFrame(frame, this.#owner) : frame.bytes;
    if (bytes) this.#pass(bytes);
    if (isMeant && atFrame.when === 'after') atFrame.act(this.#owner);
  }

  /** Passes bytes on, up to where something is to happen; then that, and the rest. */
  #pass(bytes: Uint8Array): void {
    if (this.#flow === 'swallow') return;
    if (this.#flow === 'hold') {
      this.#held.push(bytes);
      return;
    }
    const counting = this.#countdowns().filter(({ direction, left }) => direction === this.#direction && left >= 0);
    const next = Math.min(...counting.map(({ left }) => left));
    if (next > bytes.length) {
      for (const countdown of counting) countdown.left -= bytes.length;
      this.#write(bytes);
      return;
    }
    this.#write(bytes.subarray(0, next));
    for (const countdown of counting) countdown.left -= next;
    for (const countdown of counting.filter(({ left }) => left === 0)) {
      // Below zero it is over.
      countdown.left = -1;
      countdown.act(this.#owner);
    }
    if (next < bytes.length) this.#pass(bytes.subarray(next));
  }

  #write(bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.#to.writable) return;
    this.passed += bytes.length;
    this.#later(() => {
      if (this.#to.writable && !this.#to.write(bytes)) this.#from.pause();
    });
  }

  #later(action: () => void): void {
    const { latency = 0 } = this.#behaviour;
    if (latency === 0) {
      action();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, latency);
    this.#timers.add(timer);
  }
}

export class ProxiedConnection {
  /** The how manieth that came, from 1. */
  readonly number: number;
  readonly #client: Socket;
  readonly #broker: Socket;
  readonly #lanes: Readonly<Record<Direction, Lane>>;

  constructor(
    number: number,
    sockets: { readonly client: Socket; readonly broker: Socket },
    behaviour: Behaviour,
    /** Those that count over all connections. */
    shared: () => readonly ByteCountdown[],
  ) {
    this.number = number;
    const { client, broker } = sockets;
    this.#client = client;
    this.#broker = broker;
    const own = behaviour.afterBytes ? [new ByteCountdown(behaviour.afterBytes)] : [];
    const countdowns = (): readonly ByteCountdown[] => [...own, ...shared()];
    this.#lanes = {
      toBroker: new Lane('toBroker', client, broker, this, behaviour, countdowns),
      toClient: new Lane('toClient', broker, client, this, behaviour, countdowns),
    };
    for (const socket of [client, broker]) socket.setNoDelay(true).on('error', () => undefined);
    client.on('close', () => broker.destroySoon());
    broker.on('close', () => client.destroySoon());
  }

  /** While the client's side is open, as far as we have been told. */
  get isOpen(): boolean {
    return !this.#client.destroyed;
  }

  /** Bytes passed on so far. */
  get passed(): Readonly<Record<Direction, number>> {
    return { toBroker: this.#lanes.toBroker.passed, toClient: this.#lanes.toClient.passed };
  }

  /** Ends both sides (FIN), without a goodbye of the protocol's; what was passed on before still arrives. */
  cut(): void {
    this.#client.destroySoon();
    this.#broker.destroySoon();
  }

  /** Resets both sides (RST); what is on its way is lost. */
  reset(): void {
    this.#client.resetAndDestroy();
    this.#broker.resetAndDestroy();
  }

  /** As if the peer had become silent. */
  silence(): void {
    this.setFlow('swallow');
  }

  setFlow(flow: Flow, direction: Direction | 'both' = 'both'): void {
    for (const each of directions) {
      if (direction === 'both' || direction === each) this.#lanes[each].flow = flow;
    }
  }

  /** Says something to the broker in the client's name, while the client says nothing. */
  say(bytes: Uint8Array): void {
    this.#broker.write(bytes);
  }

  destroy(): void {
    this.#client.destroy();
    this.#broker.destroy();
  }
}
