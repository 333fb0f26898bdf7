/**
 * The line to one client: a transport around the real one, which can be made silent, slow, cut into pieces or joined.
 *
 *   what is written: cut where a watched method begins or ends -> flow.ts -> transport
 *   what is read:    transport -> flow.ts -> listener
 *
 * As long as nothing is asked for it hands everything through. Must not know sessions.
 */
import type { Transport, TransportListener } from '../../amqp/transport/index.js';
import { Flow, flowLimit, type Pace } from './flow.js';
import { Layers } from './layers.js';
import { cutAtMethods, type MethodWatch } from './method-watch.js';

export class Line implements Transport, TransportListener {
  /** Nothing is read. */
  readonly inwardSilence: Layers<true>;
  /** Nothing is written; what was to be written waits. */
  readonly outwardSilence: Layers<true>;
  readonly inwardPace: Layers<Pace>;
  readonly outwardPace: Layers<Pace>;
  /** See FlowPort; of what is written. */
  readonly pieceSize: Layers<number>;
  readonly joinTime: Layers<number>;
  /** Called when it is no longer silent inward. */
  onHearing: () => void = () => {};
  readonly #transport: Transport;
  readonly #watch: MethodWatch;
  readonly #reset: () => void;
  readonly #outward: Flow;
  readonly #inward: Flow;
  #listener: TransportListener | undefined;
  #isReadingUnwanted = false;
  #isReadingPaused = false;
  #isEnding = false;
  #isClosed = false;
  /** The transport is closed, and what came before is still on its way. */
  #closing: { readonly error: Error | undefined } | undefined;

  /** `reset` closes the transport as a crash does (RST); without one it is dropped. */
  constructor(transport: Transport, watch: MethodWatch, reset?: () => void) {
    this.#transport = transport;
    this.#watch = watch;
    this.#reset =
      reset ??
      ((): void => {
        transport.destroy();
      });
    const updateOutward = (): void => this.#outward.update();
    const updateInward = (): void => this.#inward.update();
    const silence = new Layers<true>(updateOutward);
    const outwardPace = new Layers<Pace>(updateOutward);
    const inwardPace = new Layers<Pace>(updateInward);
    const pieceSize = new Layers<number>(updateOutward);
    const joinTime = new Layers<number>(updateOutward);
    this.outwardSilence = silence;
    this.outwardPace = outwardPace;
    this.inwardPace = inwardPace;
    this.pieceSize = pieceSize;
    this.joinTime = joinTime;
    this.inwardSilence = new Layers(() => {
      if (this.inwardSilence.top === undefined) this.onHearing();
      this.#updateReading();
    });
    this.#outward = new Flow({
      get isHeld() {
        return silence.top !== undefined;
      },
      get pace() {
        return outwardPace.top;
      },
      get pieceSize() {
        return pieceSize.top;
      },
      get joinTime() {
        return joinTime.top;
      },
      send: (chunks) => transport.write(chunks),
      onEmpty: () => {
        this.#onWritten();
      },
    });
    this.#inward = new Flow({
      get pace() {
        return inwardPace.top;
      },
      isHeld: false,
      pieceSize: undefined,
      joinTime: undefined,
      send: (chunks) => {
        for (const chunk of chunks) this.#listener?.onData(chunk as Buffer);
        return true;
      },
      onEmpty: () => {
        this.#onRead();
      },
    });
  }

  get description(): string {
    return this.#transport.description;
  }

  get isPrivate(): boolean {
    return this.#transport.isPrivate;
  }

  // --- the transport that the session sees ---------------------------------------------------------

  listen(listener: TransportListener): void {
    this.#listener = listener;
    this.#transport.listen(this);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (!this.#watch.isOn) return this.#send(chunks);
    let hasRoom = true;
    // Between two parts a fault may strike, and silence or drop the line.
    for (const part of cutAtMethods(chunks, this.#watch)) hasRoom = this.#send([part]);
    return hasRoom;
  }

  pauseReading(isPaused: boolean): void {
    this.#isReadingUnwanted = isPaused;
    this.#updateReading();
  }

  end(): void {
    this.#isEnding = true;
    if (this.#outward.waiting === 0) this.#transport.end();
  }

  destroy(): void {
    this.#stop();
    this.#transport.destroy();
  }

  reset(): void {
    this.#stop();
    this.#reset();
  }

  #send(chunks: readonly Uint8Array[]): boolean {
    return this.#isClosed || this.#outward.push(chunks);
  }

  #onWritten(): void {
    if (this.#isEnding) this.#transport.end();
    else this.#listener?.onDrain();
  }

  #stop(): void {
    this.#isClosed = true;
    this.#outward.stop();
    this.#inward.stop();
  }

  // --- what the transport says ---------------------------------------------------------------------

  onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#inward.push([chunk]);
    this.#updateReading();
  }

  onDrain(): void {
    // While something waits here, the session is told when that is gone.
    if (this.#outward.waiting === 0) this.#listener?.onDrain();
  }

  onClose(error: Error | undefined): void {
    this.#outward.stop();
    if (this.#inward.waiting === 0) this.#listener?.onClose(error);
    else this.#closing = { error };
  }

  #onRead(): void {
    this.#updateReading();
    const closing = this.#closing;
    this.#closing = undefined;
    if (closing) this.#listener?.onClose(closing.error);
  }

  #updateReading(): void {
    const isFull = this.#inward.waiting > flowLimit;
    const isPaused = this.#isReadingUnwanted || this.inwardSilence.top !== undefined || isFull;
    if (isPaused === this.#isReadingPaused) return;
    this.#isReadingPaused = isPaused;
    this.#transport.pauseReading(isPaused);
  }
}
