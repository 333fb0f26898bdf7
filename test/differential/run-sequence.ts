/**
 * Runs one sequence on one broker, and writes down all that can be seen of it.
 *
 * Waiting is cheap because it is guided: the embedded broker goes first, and a run on RabbitMQ waits in each step only
 * until as much has come as is expected. What does not come costs a time-out, and what comes unexpected is in the
 * transcript of this step or of one that follows; either is a difference.
 *
 * What RabbitMQ leaves open is not compared:
 * - delivery tags: two queues that deliver to one channel at once do so in either order. Deliveries are compared by
 *   consumer, and settled by consumer and order;
 * - how confirms are joined (`multiple`): tags are compared one by one;
 * - counts of a queue while messages are under way: the count is asked again until it is what is expected, or time is up;
 * - generated names and times.
 */
import { repliesTo, type BasicProperties, type MethodInputs, type MethodName } from '../../lib/amqp/protocol/index.js';
import type { Transport } from '../../lib/amqp/transport/index.js';
import { SequenceNames } from './names.js';
import { Probe, probeChannel } from './probe.js';
import { channelOf, connectionOf, newSlot, slotsOf, type SlotState } from './slots.js';
import { areSame, type Slot, type Step, type StepRecord, type Transcript } from './steps.js';
import { Wire, type WireEvent } from './wire.js';

export interface RunOptions {
  /** Opens a connection to the broker. */
  connect(): Promise<Transport>;
  /** What names that begin with `~` begin with instead. */
  readonly prefix: string;
  /** A transcript that says when enough has come. Without it, a few turns of the event loop are waited. */
  readonly guide?: Transcript | undefined;
  /** Milliseconds to wait for what the guide expects. */
  readonly patience?: number;
  /** Milliseconds to wait after each step for what is not expected. */
  readonly pause?: number;
  /** Go on after a step that differs from the guide. */
  readonly isWhole?: boolean;
}

const answerLimit = 20_000;

export async function runSequence(steps: readonly Step[], options: RunOptions): Promise<Transcript> {
  const run = new SequenceRun(options);
  try {
    return await run.run(steps);
  } finally {
    await run.end();
  }
}

class SequenceRun {
  readonly #options: RunOptions;
  readonly #wires: (Wire | undefined)[] = [undefined, undefined];
  readonly #slots: SlotState[] = [0, 1, 2, 3].map(() => newSlot());
  readonly #probe = new Probe(
    (connection) => this.#wire(connection),
    (condition) => this.#until(condition, answerLimit),
  );
  readonly #queues = new Set<string>();
  readonly #exchanges = new Set<string>();
  readonly #names: SequenceNames;
  readonly #transcript: StepRecord[] = [];
  #streams: StepRecord['streams'] = {};
  #waiting: (() => void)[] = [];

  constructor(options: RunOptions) {
    this.#options = options;
    this.#names = new SequenceNames(options.prefix);
  }

  async run(steps: readonly Step[]): Promise<Transcript> {
    for (const step of steps) {
      if (!(await this.#record(JSON.stringify(step), () => this.#step(step)))) return this.#transcript;
    }
    const names = [...this.#queues];
    const counted = await this.#record('counts', () => this.#counts(names));
    if (!counted) return this.#transcript;
    for (const slot of [0, 1, 2, 3] as const) {
      if (!this.#slot(slot).isOpen) continue;
      const call = {
        call: 'channel.close',
        on: slot,
        fields: { replyCode: 200, replyText: '', classId: 0, methodId: 0 },
      };
      if (!(await this.#record(`close channel ${slot}`, () => this.#step(call as Step)))) return this.#transcript;
    }
    if (!(await this.#record('counts without channels', () => this.#counts(names)))) return this.#transcript;
    for (const name of names) {
      if (!(await this.#record(`contents of ${name}`, () => this.#drain(name)))) return this.#transcript;
    }
    return this.#transcript;
  }

  /** Removes what the sequence left, and hangs up. */
  async end(): Promise<void> {
    for (const connection of [1, 0] as const) {
      const wire = this.#wires[connection];
      if (!wire || wire.isClosed) continue;
      wire.send(0, 'connection.close', { replyCode: 200, replyText: 'done', classId: 0, methodId: 0 });
      await this.#until(() => wire.isClosed, answerLimit);
      wire.destroy();
    }
    if (!this.#options.guide) return;
    // A connection of its own deletes what the others left: what was exclusive to them is gone already.
    this.#wires[0] = undefined;
    this.#probe.reset(0);
    for (const name of this.#queues) {
      await this.#probe.ask(0, 'queue.delete', {
        queue: this.#names.real(name) as string,
        ifUnused: false,
        ifEmpty: false,
      });
    }
    for (const name of this.#exchanges) {
      await this.#probe.ask(0, 'exchange.delete', { exchange: this.#names.real(name) as string, ifUnused: false });
    }
    const wire = this.#wires[0] as Wire | undefined;
    wire?.send(0, 'connection.close', { replyCode: 200, replyText: 'done', classId: 0, methodId: 0 });
    if (wire) await this.#until(() => wire.isClosed, answerLimit);
    wire?.destroy();
  }

  // --- steps ---------------------------------------------------------------------------------------

  /** Answers whether to go on. */
  async #record(label: string, action: () => Promise<void>): Promise<boolean> {
    const { guide, patience = 400, pause = 0, isWhole = false } = this.#options;
    const record: StepRecord = { label, streams: {} };
    this.#streams = record.streams;
    const index = this.#transcript.push(record) - 1;
    await action();
    const expected = guide?.[index];
    if (!guide) {
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
    } else {
      if (expected) await this.#until(() => hasAsMuch(record, expected), patience);
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    }
    return isWhole || !guide || areSame(expected, record);
  }

  async #step(step: Step): Promise<void> {
    if ('wait' in step) {
      await new Promise((resolve) => setTimeout(resolve, step.wait));
    } else if ('hangUp' in step) {
      const wire = this.#wires[step.hangUp];
      if (!wire || wire.isClosed) return;
      wire.send(0, 'connection.close', { replyCode: 200, replyText: 'bye', classId: 0, methodId: 0 });
      await this.#until(() => wire.isClosed, answerLimit);
    } else if ('settle' in step) {
      await this.#settle(step);
    } else if ('cancel' in step) {
      const all = ([0, 1, 2, 3] as const).flatMap((on) =>
        [...this.#slot(on).consumers.keys()].map((consumerTag) => ({ on, consumerTag })),
      );
      const chosen = all[step.cancel % all.length];
      if (!chosen) return;
      await this.#call(chosen.on, 'basic.cancel', { consumerTag: chosen.consumerTag });
      this.#slot(chosen.on).consumers.delete(chosen.consumerTag);
    } else if ('publish' in step) {
      await this.#publish(step);
    } else {
      await this.#perform(step.on, step.call, this.#names.real(step.fields) as Record<string, unknown>);
    }
  }

  /** A method as the sequence says it, but for what RabbitMQ leaves to chance. */
  async #perform(on: Slot, name: MethodName, fields: Record<string, unknown>): Promise<void> {
    await this.#open(on);
    const slot = this.#slot(on);
    if (name === 'basic.consume') {
      const queue = String(fields['queue']);
      // Which of two queues gets the room of a channel's own prefetch is left to chance.
      const others = [...slot.consumers.values()].filter((consumer) => consumer.queue !== queue);
      if (slot.isLimitedAsWhole && others.length > 0) return;
      slot.consumers.set(String(fields['consumerTag']), { queue, noAck: fields['noAck'] === true });
    }
    if (name === 'basic.qos' && fields['global'] === true) {
      if (new Set([...slot.consumers.values()].map(({ queue }) => queue)).size > 1) return;
      slot.isLimitedAsWhole = true;
    }
    if (name === 'basic.get') slot.isGetNoAck = fields['noAck'] === true;
    if (name === 'basic.recover') slot.outstanding = [];
    this.#remember(this.#queues, name === 'queue.declare' ? fields['queue'] : undefined);
    this.#remember(this.#exchanges, name === 'exchange.declare' ? fields['exchange'] : undefined);
    await this.#call(on, name, fields);
    if (!slot.isOpen) return;
    if (name === 'confirm.select') slot.isConfirming = true;
    if (name === 'tx.select') slot.isTransactional = true;
    if (name === 'tx.commit') slot.settledInTransaction = [];
    if (name === 'tx.rollback') {
      slot.outstanding.push(...slot.settledInTransaction);
      slot.settledInTransaction = [];
    }
  }

  async #publish(step: Extract<Step, { publish: unknown }>): Promise<void> {
    await this.#open(step.on);
    const slot = this.#slot(step.on);
    const index = this.#transcript.length - 1;
    const body = Buffer.from(`m${index}`.padEnd(step.size ?? 0, '.'));
    if (slot.isConfirming) slot.unconfirmed.add(++slot.published);
    const fields = this.#names.real(step.publish) as MethodInputs['basic.publish'];
    const wire = await this.#wire(connectionOf(step.on));
    wire.publish(channelOf(step.on), fields, this.#names.real(step.properties ?? {}) as BasicProperties, body);
    await this.#sync(step.on);
  }

  async #settle(step: Extract<Step, { settle: unknown }>): Promise<void> {
    const all = ([0, 1, 2, 3] as const).flatMap((on) =>
      // Not in the order of tags, which is left to chance among consumers.
      [...this.#slot(on).outstanding]
        .sort((left, right) => left.step - right.step || compare(left.stream, right.stream) || left.tag - right.tag)
        .map((delivery) => ({ on, delivery })),
    );
    const chosen = all[step.pick % all.length];
    if (!chosen) return;
    const { on } = chosen;
    const slot = this.#slot(on);
    let { tag } = chosen.delivery;
    let settled = [chosen.delivery];
    if (step.multiple === true && step.settle !== 'reject') {
      const together = slot.outstanding.filter((delivery) => delivery.step === chosen.delivery.step);
      if (new Set(together.map(({ stream }) => stream)).size > 1) tag = Math.max(...together.map((one) => one.tag));
      settled = slot.outstanding.filter((delivery) => delivery.tag <= tag);
    }
    slot.outstanding = slot.outstanding.filter((delivery) => !settled.includes(delivery));
    if (slot.isTransactional) slot.settledInTransaction.push(...settled);
    const { multiple = false, requeue = false } = step;
    if (step.settle === 'ack') await this.#call(on, 'basic.ack', { deliveryTag: tag, multiple });
    else if (step.settle === 'nack') await this.#call(on, 'basic.nack', { deliveryTag: tag, multiple, requeue });
    else await this.#call(on, 'basic.reject', { deliveryTag: tag, requeue });
  }

  /** Names of the sequence's own are looked at, and deleted, in the end. */
  #remember(names: Set<string>, name: unknown): void {
    if (typeof name === 'string' && name.startsWith(this.#options.prefix)) names.add(this.#names.shown(name));
  }

  // --- what is left at the end ---------------------------------------------------------------------

  async #counts(names: readonly string[]): Promise<void> {
    const streams = this.#streams;
    const expected = this.#options.guide?.[this.#transcript.length - 1]?.streams;
    const deadline = performance.now() + (this.#options.patience ?? 400);
    for (const name of names) {
      for (;;) {
        const text = await this.#count(name);
        streams[name] = [text];
        if (!this.#options.guide || text === expected?.[name]?.[0] || performance.now() > deadline) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  async #count(name: string): Promise<string> {
    const texts: string[] = [];
    for (const connection of [0, 1] as const) {
      if (connection === 1 && !this.#wires[1]) continue;
      const reply = await this.#probe.ask(connection, 'queue.declare', {
        queue: this.#names.real(name) as string,
        passive: true,
      });
      const { messageCount, consumerCount, replyText } = reply.fields;
      if (reply.name === 'queue.declare-ok')
        return `${String(messageCount)} messages, ${String(consumerCount)} consumers`;
      texts.push(this.#names.shown(String(replyText)));
    }
    return texts.join(' / ');
  }

  async #drain(name: string): Promise<void> {
    const texts: string[] = [];
    this.#streams[name] = texts;
    for (const connection of [0, 1] as const) {
      if (connection === 1 && !this.#wires[1]) return;
      for (;;) {
        const reply = await this.#probe.ask(connection, 'basic.get', {
          queue: this.#names.real(name) as string,
          noAck: true,
        });
        if (reply.name === 'channel.close') break;
        if (reply.name !== 'basic.get-ok' || texts.length > 60) return;
        texts.push(this.#contentText(reply));
      }
    }
  }

  // --- talking -------------------------------------------------------------------------------------

  #slot(slot: Slot): SlotState {
    const state = this.#slots[slot];
    if (!state) throw new Error(`no slot ${slot}`);
    return state;
  }

  async #wire(connection: 0 | 1): Promise<Wire> {
    const open = this.#wires[connection];
    if (open && !open.isClosed) return open;
    const wire = await Wire.open(await this.#options.connect());
    this.#wires[connection] = wire;
    this.#probe.reset(connection);
    wire.listen(
      (event) => {
        this.#onEvent(connection, wire, event);
        this.#wake();
      },
      () => {
        for (const slot of slotsOf(connection)) this.#slots[slot] = newSlot();
        this.#wake();
      },
    );
    return wire;
  }

  async #open(on: Slot): Promise<void> {
    const wire = await this.#wire(connectionOf(on));
    const slot = this.#slot(on);
    if (slot.isOpen) return;
    slot.awaiting = ['channel.open-ok'];
    slot.isOpen = true;
    wire.send(channelOf(on), 'channel.open', {});
    await this.#answered(slot);
  }

  async #call<Name extends MethodName>(on: Slot, name: Name, fields: MethodInputs[Name]): Promise<void> {
    const wire = await this.#wire(connectionOf(on));
    const slot = this.#slot(on);
    const hasReply = (fields as { noWait?: boolean }).noWait !== true && repliesTo(name).length > 0;
    slot.awaiting = hasReply ? repliesTo(name) : [];
    wire.send(channelOf(on), name, fields);
    if (hasReply) await this.#answered(slot);
    else await this.#sync(on);
  }

  /** A round trip that changes nothing: what the channel was told before is dealt with. */
  async #sync(on: Slot): Promise<void> {
    const wire = await this.#wire(connectionOf(on));
    const slot = this.#slot(on);
    if (!slot.isOpen) return;
    slot.syncs++;
    wire.send(channelOf(on), 'channel.flow', { active: true });
    await this.#until(() => slot.syncs === 0 || !slot.isOpen, answerLimit);
  }

  async #answered(slot: SlotState): Promise<void> {
    const isAnswered = await this.#until(() => slot.awaiting.length === 0 || !slot.isOpen, answerLimit);
    if (!isAnswered) this.#note('run', `no ${slot.awaiting.join(' or ')}`);
  }

  async #until(condition: () => boolean, limit: number): Promise<boolean> {
    const deadline = performance.now() + limit;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left + 1);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return true;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  // --- hearing -------------------------------------------------------------------------------------

  #onEvent(connection: 0 | 1, wire: Wire, event: WireEvent): void {
    const { channel, name, fields } = event;
    if (channel === 0) {
      this.#onConnectionEvent(connection, wire, event);
      return;
    }
    if (channel === probeChannel) {
      this.#probe.hear(connection, event);
      return;
    }
    const index = (connection * 2 + channel - 1) as Slot;
    const slot = this.#slot(index);
    const stream = `channel ${index}`;
    if (slot.awaiting.includes(name)) slot.awaiting = [];
    switch (name) {
      case 'channel.flow-ok':
        slot.syncs--;
        return;
      case 'channel.open-ok':
        return;
      case 'channel.close':
        wire.send(channel, 'channel.close-ok', {});
        slot.isOpen = false;
        this.#slots[index] = newSlot();
        this.#note(stream, `channel.close ${this.#fieldsText(fields)}`);
        return;
      case 'channel.close-ok':
        slot.isOpen = false;
        this.#slots[index] = newSlot();
        return;
      case 'basic.deliver': {
        const consumerTag = String(fields['consumerTag']);
        const from = `${stream} to ${this.#names.shown(consumerTag)}`;
        if (slot.consumers.get(consumerTag)?.noAck !== true) this.#hold(slot, from, fields);
        this.#note(from, this.#contentText(event));
        return;
      }
      case 'basic.get-ok':
        if (!slot.isGetNoAck) this.#hold(slot, stream, fields);
        this.#note(stream, `basic.get-ok ${this.#contentText(event)}, ${String(fields['messageCount'])} left`);
        return;
      case 'basic.return':
        this.#note(stream, `basic.return ${this.#fieldsText(fields)} ${this.#names.shown(event.content ?? '')}`);
        return;
      case 'basic.ack':
      case 'basic.nack':
        this.#confirmed(slot, stream, name, Number(fields['deliveryTag']), fields['multiple'] === true);
        return;
      case 'basic.cancel':
        slot.consumers.delete(String(fields['consumerTag']));
        this.#note(stream, `basic.cancel ${this.#fieldsText(fields)}`);
        return;
      default:
        this.#note(stream, `${name} ${this.#fieldsText(fields)}`);
    }
  }

  #onConnectionEvent(connection: 0 | 1, wire: Wire, { name, fields }: WireEvent): void {
    if (name !== 'connection.close') return;
    this.#note(`connection ${connection}`, `connection.close ${this.#fieldsText(fields)}`);
    wire.send(0, 'connection.close-ok', {});
    for (const slot of slotsOf(connection)) {
      this.#slot(slot).isOpen = false;
      this.#slots[slot] = newSlot();
    }
    wire.isClosed = true;
  }

  #hold(slot: SlotState, stream: string, fields: Readonly<Record<string, unknown>>): void {
    slot.outstanding.push({ step: this.#transcript.length - 1, stream, tag: Number(fields['deliveryTag']) });
  }

  #confirmed(slot: SlotState, stream: string, name: string, tag: number, isMultiple: boolean): void {
    const tags = isMultiple ? [...slot.unconfirmed].filter((one) => one <= tag) : [tag];
    for (const one of tags) {
      if (slot.unconfirmed.delete(one)) this.#note(stream, `${name} ${one}`);
      else this.#note(stream, `${name} ${one}, which is none of mine`);
    }
  }

  #note(stream: string, text: string): void {
    (this.#streams[stream] ??= []).push(text);
  }

  // --- names ---------------------------------------------------------------------------------------

  #contentText({ fields, content = '' }: WireEvent): string {
    const redelivered = fields['redelivered'] === true ? ' again' : '';
    return this.#names.shown(
      `'${String(fields['exchange'])}' '${String(fields['routingKey'])}'${redelivered} ${content}`,
    );
  }

  #fieldsText(fields: Readonly<Record<string, unknown>>): string {
    const { replyCode, replyText, classId, methodId } = fields;
    if (replyCode !== undefined && classId !== undefined) {
      return this.#names.shown(`${String(replyText)} (${[replyCode, classId, methodId].join(' ')})`);
    }
    return this.#names.shown(
      Object.entries(fields)
        .map(([name, value]) => `${name}=${String(value)}`)
        .join(' '),
    );
  }
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

function hasAsMuch(actual: StepRecord, expected: StepRecord): boolean {
  return Object.entries(expected.streams).every(([name, texts]) => (actual.streams[name]?.length ?? 0) >= texts.length);
}
