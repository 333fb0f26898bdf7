// temporary differential probe
import net from 'node:net';
import { FrameParser, ByteReader, ByteWriter, readMethod, readProperties, writeMethod, writeContent, protocolHeader, type Method } from '../../lib/amqp/protocol/index.ts';

type Frame = { channel: number; text: string; method?: Method };
class Raw {
  socket!: net.Socket; writer = new ByteWriter(); log: string[] = []; waiters: (() => void)[] = []; methods: Frame[] = []; closed = false;
  parser = new FrameParser({
    onMethod: (channel, id, b, s, e) => { const m = readMethod(id, new ByteReader(b, s, e)); this.push(channel, m); },
    onHeader: (_c, _k, size, b, s, e) => { this.log.push('   header ' + size + ' ' + j(readProperties(new ByteReader(b, s, e)))); },
    onBody: (_c, b, s, e) => { this.log.push('   body ' + b.toString('utf8', s, Math.min(e, s + 20))); },
    onHeartbeat: () => {},
  }, { frameMax: 0, headerFrameMax: 1e9 });
  push(channel: number, m: Method) {
    const f: any = { ...m.fields }; 
    if (m.name === 'connection.start') { f.serverProperties = 0 }
    this.methods.push({ channel, text: m.name, method: m });
    this.log.push(`<${channel} ${m.name} ${j(f)}`);
    if (m.name === 'channel.close') this.send(channel, 'channel.close-ok', {});
    if (m.name === 'connection.close') this.send(0, 'connection.close-ok', {});
    this.waiters.splice(0).forEach((w) => w());
  }
  async open(port: number, { user = 'guest', pass = 'guest', vhost = '/', caps = true, tune = {} as any, mechanism = 'PLAIN' } = {}) {
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.on('error', (e) => this.log.push('error ' + e.message));
    this.socket.on('close', () => { this.closed = true; this.log.push('CLOSED'); this.waiters.splice(0).forEach((w) => w()); });
    this.socket.on('data', (d) => this.parser.push(d));
    this.socket.write(protocolHeader);
    await this.next('connection.start');
    const capabilities = caps ? { publisher_confirms: true, 'basic.nack': true, consumer_cancel_notify: true, 'connection.blocked': true, authentication_failure_close: true } : {};
    this.send(0, 'connection.start-ok', { clientProperties: { capabilities }, mechanism, response: `\0${user}\0${pass}`, locale: 'en_US' });
    const t = await this.next('connection.tune', 'connection.close'); if (!t || t.name !== 'connection.tune') return this;
    this.send(0, 'connection.tune-ok', { ...t.fields, heartbeat: 0, ...tune });
    this.send(0, 'connection.open', { virtualHost: vhost });
    await this.next('connection.open-ok', 'connection.close');
    this.log = [];
    return this;
  }
  async next(...names: string[]): Promise<Method | undefined> {
    const end = Date.now() + 3000;
    for (;;) {
      const i = this.methods.findIndex((f) => names.includes(f.text));
      if (i >= 0) return this.methods.splice(0, i + 1).at(-1)!.method;
      if (this.closed || Date.now() > end) { this.log.push('NO ' + names.join('/')); return undefined; }
      await Promise.race([new Promise<void>((r) => this.waiters.push(r)), new Promise((r) => setTimeout(r, 200))]);
    }
  }
  send(channel: number, name: any, fields: any) { writeMethod(this.writer, channel, name, fields, 0); if (this.socket.writable) for (const c of this.writer.take()) this.socket.write(c); }
  pub(channel: number, fields: any, props: any = {}, body = 'x') { writeContent(this.writer, channel, 'basic.publish', { mandatory: false, ...fields }, props, Buffer.from(body), 0); for (const c of this.writer.take()) this.socket.write(c); }
  async settle(ms = 80) { await new Promise((r) => setTimeout(r, ms)); }
}
function j(v: unknown) { return JSON.stringify(v, (_k, x) => typeof x === 'bigint' ? String(x) : x?.type === 'Buffer' ? 'buf' : x); }
const D = { arguments: {} };
type Ctx = { port: number; r: Raw; open: typeof openMore };
const openMore = async (port: number, o = {}) => new Raw().open(port, o);
const q = (queue: string, o: any = {}) => ({ queue, durable: true, exclusive: false, autoDelete: false, passive: false, noWait: false, arguments: {}, ...o });
const x = (exchange: string, type: string, o: any = {}) => ({ exchange, type, durable: true, autoDelete: false, internal: false, passive: false, noWait: false, arguments: {}, ...o });
const scenarios: Record<string, (c: Ctx) => Promise<void>> = {};
const one = (name: string, ...steps: [string, any][]) => { scenarios[name] = async ({ r }) => { for (const [m, f] of steps) { r.send(1, m, f); await r.settle(60); } }; };
one('passive missing q', ['queue.declare', q('nope', { passive: true })]);
one('passive missing x', ['exchange.declare', x('nope', 'direct', { passive: true })]);
one('durable differs', ['queue.declare', q('p1')], ['queue.declare', q('p1', { durable: false })]);
one('autodelete differs', ['queue.declare', q('p1')], ['queue.declare', q('p1', { autoDelete: true })]);
one('exclusive differs', ['queue.declare', q('p1')], ['queue.declare', q('p1', { exclusive: true })]);
one('ttl added', ['queue.declare', q('p1')], ['queue.declare', q('p1', { arguments: { 'x-message-ttl': 5 } })]);
one('ttl differs', ['queue.declare', q('p2', { arguments: { 'x-message-ttl': 50000 } })], ['queue.declare', q('p2', { arguments: { 'x-message-ttl': 6 } })]);
one('ttl gone', ['queue.declare', q('p2', { arguments: { 'x-message-ttl': 50000 } })], ['queue.declare', q('p2')]);
one('type differs', ['queue.declare', q('p1')], ['queue.declare', q('p1', { arguments: { 'x-queue-type': 'quorum' } })]);
one('type same', ['queue.declare', q('p1')], ['queue.declare', q('p1', { arguments: { 'x-queue-type': 'classic' } })]);
one('dlx differs', ['queue.declare', q('p3', { arguments: { 'x-dead-letter-exchange': 'a', 'x-max-length': 5 } })], ['queue.declare', q('p3', { arguments: { 'x-dead-letter-exchange': 'b', 'x-max-length': 6 } })]);
one('delivery limit differs classic', ['queue.declare', q('p1')], ['queue.declare', q('p1', { arguments: { 'x-delivery-limit': 6 } })]);
one('unknown arg differs', ['queue.declare', q('p1')], ['queue.declare', q('p1', { arguments: { 'foo': 6 } })]);
for (const [k, v] of Object.entries({ 'x-message-ttl': [-1, 'a', true, 1.5], 'x-expires': [0, -1], 'x-max-length': [-1], 'x-max-priority': [256, -1], 'x-overflow': ['bad', 5], 'x-dead-letter-exchange': [5], 'x-dead-letter-routing-key': ['a', 5], 'x-queue-type': ['foo', 5], 'x-single-active-consumer': ['a'], 'x-delivery-limit': [-2, 'a'], 'x-queue-mode': ['foo'], 'x-max-length-bytes': [-1] })) for (const a of v) {
  one(`arg ${k}=${a}`, ['queue.declare', q('pa', { arguments: { [k]: a } })], ['queue.delete', { queue: 'pa' }]);
}
one('quorum nondurable', ['queue.declare', q('pq', { durable: false, arguments: { 'x-queue-type': 'quorum' } })]);
one('quorum exclusive', ['queue.declare', q('pq', { exclusive: true, arguments: { 'x-queue-type': 'quorum' } })]);
one('quorum autodelete', ['queue.declare', q('pq', { autoDelete: true, arguments: { 'x-queue-type': 'quorum' } })]);
one('quorum priority', ['queue.declare', q('pq', { arguments: { 'x-queue-type': 'quorum', 'x-max-priority': 5 } })]);
one('quorum badlimit', ['queue.declare', q('pq', { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': -5 } })]);
one('quorum overflow dlx', ['queue.declare', q('pqo', { arguments: { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish-dlx' } })]);
one('amq queue', ['queue.declare', q('amq.x')]);
one('amq exchange', ['exchange.declare', x('amq.x', 'direct')]);
one('default exchange declare', ['exchange.declare', x('', 'direct')]);
one('default exchange passive', ['exchange.declare', x('', 'direct', { passive: true })]);
one('default exchange delete', ['exchange.delete', { exchange: '' }]);
one('amq exchange delete', ['exchange.delete', { exchange: 'amq.direct' }]);
one('amq exchange redeclare', ['exchange.declare', x('amq.direct', 'direct')], ['exchange.declare', x('amq.direct', 'fanout')]);
one('unknown type', ['exchange.declare', x('px', 'foo')]);
one('exchange type differs', ['exchange.declare', x('px1', 'direct')], ['exchange.declare', x('px1', 'fanout')]);
one('exchange durable differs', ['exchange.declare', x('px1', 'direct')], ['exchange.declare', x('px1', 'direct', { durable: false })]);
one('exchange internal differs', ['exchange.declare', x('px1', 'direct')], ['exchange.declare', x('px1', 'direct', { internal: true })]);
one('exchange ae differs', ['exchange.declare', x('px1', 'direct')], ['exchange.declare', x('px1', 'direct', { arguments: { 'alternate-exchange': 'z' } })]);
one('exchange ae invalid', ['exchange.declare', x('px9', 'direct', { arguments: { 'alternate-exchange': 5 } })]);
one('bind missing exchange', ['queue.declare', q('p1')], ['queue.bind', { queue: 'p1', exchange: 'nope', routingKey: '' }]);
one('bind missing queue', ['queue.bind', { queue: 'nope', exchange: 'amq.direct', routingKey: '' }]);
one('bind both missing', ['queue.bind', { queue: 'nope', exchange: 'nope', routingKey: '' }]);
one('bind default', ['queue.declare', q('p1')], ['queue.bind', { queue: 'p1', exchange: '', routingKey: 'a' }]);
one('unbind default', ['queue.declare', q('p1')], ['queue.unbind', { queue: 'p1', exchange: '', routingKey: 'a' }]);
one('unbind missing all', ['queue.unbind', { queue: 'nope', exchange: 'amq.direct', routingKey: 'a' }], ['queue.unbind', { queue: 'nope', exchange: 'nope', routingKey: 'a' }]);
one('ebind missing', ['exchange.bind', { source: 'amq.direct', destination: 'nope', routingKey: 'a' }]);
one('ebind missing src', ['exchange.bind', { source: 'nope', destination: 'amq.direct', routingKey: 'a' }]);
one('eunbind missing', ['exchange.unbind', { source: 'amq.direct', destination: 'nope', routingKey: 'a' }]);
one('headers xmatch bad', ['queue.declare', q('p1')], ['queue.bind', { queue: 'p1', exchange: 'amq.headers', routingKey: '', arguments: { 'x-match': 'foo' } }]);
one('delete missing', ['queue.delete', { queue: 'nope' }], ['exchange.delete', { exchange: 'nope' }], ['queue.purge', { queue: 'nope' }]);
one('no previous', ['queue.bind', { queue: '', exchange: 'amq.direct', routingKey: '' }]);
one('consume missing', ['basic.consume', { queue: 'nope', consumerTag: '' }]);
one('get missing', ['basic.get', { queue: 'nope' }]);
one('cancel unknown', ['basic.cancel', { consumerTag: 'zz' }]);
one('reuse tag', ['queue.declare', q('p1')], ['basic.consume', { queue: 'p1', consumerTag: 't' }], ['basic.consume', { queue: 'p1', consumerTag: 't' }]);
one('exclusive consumer', ['queue.declare', q('p1')], ['basic.consume', { queue: 'p1', consumerTag: 't', exclusive: true }], ['basic.consume', { queue: 'p1', consumerTag: 'u' }]);
one('exclusive consumer 2', ['queue.declare', q('p1')], ['basic.consume', { queue: 'p1', consumerTag: 't' }], ['basic.consume', { queue: 'p1', consumerTag: 'u', exclusive: true }]);
one('ack unknown', ['basic.ack', { deliveryTag: 5 }]);
one('ack 0', ['basic.ack', { deliveryTag: 0 }]);
one('ack 0 multiple', ['basic.ack', { deliveryTag: 0, multiple: true }], ['basic.nack', { deliveryTag: 0, multiple: true, requeue: true }]);
one('ack 5 multiple', ['basic.ack', { deliveryTag: 5, multiple: true }]);
one('delete in use', ['queue.declare', q('p1')], ['basic.consume', { queue: 'p1', consumerTag: 't' }], ['queue.delete', { queue: 'p1', ifUnused: true }]);
one('delete consumed', ['queue.declare', q('pd')], ['basic.consume', { queue: 'pd', consumerTag: 't' }], ['queue.delete', { queue: 'pd' }]);
one('flow false', ['channel.flow', { active: false }]);
one('flow true', ['channel.flow', { active: true }]);
one('cancel-ok', ['basic.cancel-ok', { consumerTag: 'a' }]);
one('qos size', ['basic.qos', { prefetchSize: 5, prefetchCount: 1 }]);
one('global qos', ['basic.qos', { prefetchSize: 0, prefetchCount: 1, global: true }]);
one('tx commit untx', ['tx.commit', {}]);
one('tx rollback untx', ['tx.rollback', {}]);
one('tx to confirm', ['tx.select', {}], ['confirm.select', {}]);
one('confirm to tx', ['confirm.select', {}], ['tx.select', {}]);
one('recover false', ['basic.recover', { requeue: false }]);
one('recover true', ['basic.recover', { requeue: true }]);
one('recover async', ['basic.recover-async', { requeue: true }]);
one('second open', ['channel.open', {}]);
one('deliver from client', ['basic.cancel', { consumerTag: 'x', noWait: true }], ['queue.declare-ok', { queue: 'a', messageCount: 0, consumerCount: 0 }]);
one('access', ['access.request', { realm: '/' }]);
one('reply ack mode', ['basic.consume', { queue: 'amq.rabbitmq.reply-to', consumerTag: 'a', noAck: false }]);
one('reply twice', ['basic.consume', { queue: 'amq.rabbitmq.reply-to', consumerTag: 'a', noAck: true }], ['basic.consume', { queue: 'amq.rabbitmq.reply-to', consumerTag: 'b', noAck: true }]);
one('reply declare', ['queue.declare', q('amq.rabbitmq.reply-to', { passive: true })]);
one('reply declare2', ['queue.declare', q('amq.rabbitmq.reply-to.xx', { passive: true })]);
one('bad priority', ['queue.declare', q('p1')], ['basic.consume', { queue: 'p1', consumerTag: 't', arguments: { 'x-priority': 'a' } }]);
scenarios['channel not open'] = async ({ r }) => { r.send(7, 'queue.declare', q('p1')); await r.settle(); };
scenarios['pub missing x'] = async ({ r }) => { r.send(1, 'confirm.select', {}); r.pub(1, { exchange: 'nope', routingKey: 'a' }); await r.settle(); };
scenarios['pub after confirmed'] = async ({ r }) => { r.send(1, 'confirm.select', {}); r.pub(1, { exchange: '', routingKey: 'a' }); r.pub(1, { exchange: '', routingKey: 'a', mandatory: true }); r.pub(1, { exchange: 'nope', routingKey: 'a' }); await r.settle(); };
scenarios['pub immediate'] = async ({ r }) => { r.pub(1, { exchange: '', routingKey: 'a', immediate: true }); await r.settle(); };
scenarios['pub internal'] = async ({ r }) => { r.send(1, 'exchange.declare', x('pint', 'direct', { internal: true })); r.pub(1, { exchange: 'pint', routingKey: 'a' }); await r.settle(); };
scenarios['pub user'] = async ({ r }) => { r.pub(1, { exchange: '', routingKey: 'a' }, { userId: 'bob' }); await r.settle(); };
for (const e of ['abc', '-1', '1.5', '99999999999999', '']) scenarios['expiration ' + e] = async ({ r }) => { r.pub(1, { exchange: '', routingKey: 'a' }, { expiration: e }); await r.settle(); };
scenarios['fast reply none'] = async ({ r }) => { r.pub(1, { exchange: '', routingKey: 'a' }, { replyTo: 'amq.rabbitmq.reply-to' }); await r.settle(); };
scenarios['fast reply dead'] = async ({ r }) => { r.send(1, 'confirm.select', {}); r.pub(1, { exchange: '', routingKey: 'amq.rabbitmq.reply-to.g1h2AA5yZXBseUAxMjM.abc', mandatory: true }); await r.settle(); };
scenarios['cc header bad'] = async ({ r }) => { r.pub(1, { exchange: '', routingKey: 'a' }, { headers: { CC: 'x' } }); await r.settle(); };
scenarios['method in content'] = async ({ r }) => { r.send(1, 'basic.publish', { exchange: '', routingKey: 'a' }); r.send(1, 'queue.declare', q('p1')); await r.settle(); };
scenarios['header alone'] = async ({ r }) => { const w = new ByteWriter(); writeContent(w, 1, 'basic.publish', { exchange: '', routingKey: '' }, {}, Buffer.from('a'), 0); const b = Buffer.concat(w.take()); r.socket.write(b.subarray(8 + b.readUInt32BE(3))); await r.settle(); };
scenarios['body alone'] = async ({ r }) => { r.socket.write(Buffer.from([3, 0, 1, 0, 0, 0, 1, 65, 0xce])); await r.settle(); };
scenarios['too much body'] = async ({ r }) => { const w = new ByteWriter(); writeContent(w, 1, 'basic.publish', { exchange: '', routingKey: '' }, {}, Buffer.from('a'), 0); const b = Buffer.concat(w.take()); r.socket.write(b.subarray(0, b.length - 9)); r.socket.write(Buffer.from([3, 0, 1, 0, 0, 0, 2, 65, 65, 0xce])); await r.settle(); };
scenarios['bad end'] = async ({ r }) => { r.socket.write(Buffer.from([3, 0, 1, 0, 0, 0, 1, 65, 0xcc])); await r.settle(); };
scenarios['bad type'] = async ({ r }) => { r.socket.write(Buffer.from([9, 0, 1, 0, 0, 0, 1, 65, 0xce])); await r.settle(); };
scenarios['too large frame'] = async ({ r }) => { const b = Buffer.alloc(200008, 65); b[0] = 1; b.writeUInt16BE(1, 1); b.writeUInt32BE(200000, 3); b[200007] = 0xce; r.socket.write(b); await r.settle(); };
scenarios['unknown method'] = async ({ r }) => { r.socket.write(Buffer.from([1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 99, 0xce])); await r.settle(); };
scenarios['syntax'] = async ({ r }) => { r.socket.write(Buffer.from([1, 0, 1, 0, 0, 0, 6, 0, 50, 0, 10, 0, 0, 0xce])); await r.settle(); };
scenarios['channel close by us'] = async ({ r }) => { r.send(1, 'channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }); r.send(1, 'channel.open', {}); await r.settle(); };
scenarios['connection close'] = async ({ r }) => { r.send(0, 'connection.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }); await r.settle(); };
scenarios['update secret'] = async ({ r }) => { r.send(0, 'connection.update-secret', { newSecret: 'x', reason: 'r' }); await r.settle(); };
scenarios['channel max'] = async ({ r }) => { r.send(3000, 'channel.open', {}); await r.settle(); };
scenarios['exclusive locked'] = async ({ r, port }) => { const o = await openMore(port); o.send(1, 'channel.open', {}); o.send(1, 'queue.declare', q('pex', { exclusive: true, durable: false })); await o.settle(); for (const [i, [m, f]] of ([['queue.declare', q('pex')], ['queue.declare', q('pex', { passive: true })], ['basic.consume', { queue: 'pex', consumerTag: '' }], ['basic.get', { queue: 'pex' }], ['queue.delete', { queue: 'pex' }], ['queue.purge', { queue: 'pex' }], ['queue.bind', { queue: 'pex', exchange: 'amq.direct', routingKey: '' }], ['queue.unbind', { queue: 'pex', exchange: 'amq.direct', routingKey: '' }]] as any).entries()) { r.send(10 + i, 'channel.open', {}); r.send(10 + i, m, f); await r.settle(); } o.log = []; o.send(1, 'queue.declare', q('pex', { durable: false, exclusive: false })); await o.settle(); r.log.push(...o.log.map((l) => 'o ' + l)); o.socket.destroy(); await r.settle(100); r.send(20, 'channel.open', {}); r.send(20, 'queue.declare', q('pex', { passive: true })); await r.settle(); };
scenarios['wrong password'] = async ({ r, port }) => { const o = await openMore(port, { pass: 'no' }); r.log.push(...o.log); };
scenarios['unknown vhost'] = async ({ r, port }) => { const o = new Raw(); const keep = r.log; await o.open(port, { vhost: 'nope' }).catch(() => {}); await o.settle(); keep.push(j(o.methods.map((m) => m.method)), ...o.log); };
scenarios['unknown mechanism'] = async ({ r, port }) => { const o = new Raw(); await o.open(port, { mechanism: 'FOO' }); r.log.push(...o.log); };
for (const tune of [{ frameMax: 5000 }, { frameMax: 2000 }, { frameMax: 500000 }, { frameMax: 0 }, { channelMax: 5000 }, { channelMax: 0 }]) scenarios['tune ' + j(tune)] = async ({ r, port }) => { const o = new Raw(); o.log = r.log; const old = o.open(port, { tune }); await old; await o.settle(); r.log.push(...o.log, String(o.closed)); };
scenarios['requeue order'] = async ({ r }) => {
  r.send(1, 'queue.delete', { queue: 'pr' }); r.send(1, 'queue.declare', q('pr')); for (let i = 0; i < 6; i++) r.pub(1, { exchange: '', routingKey: 'pr' }, {}, 'm' + i); await r.settle();
  r.send(1, 'basic.qos', { prefetchSize: 0, prefetchCount: 3 }); r.send(1, 'basic.consume', { queue: 'pr', consumerTag: 'c' }); await r.settle(); r.send(1, 'basic.nack', { deliveryTag: 2, multiple: false, requeue: true }); await r.settle(); r.send(1, 'basic.ack', { deliveryTag: 1 }); await r.settle(); r.send(1, 'basic.cancel', { consumerTag: 'c' }); r.send(1, 'basic.recover', { requeue: true }); await r.settle(); for (let i = 0; i < 6; i++) { r.send(1, 'basic.get', { queue: 'pr', noAck: true }); await r.settle(30); } };
scenarios['multiple ack gap'] = async ({ r }) => {
  r.send(1, 'queue.delete', { queue: 'pr' }); r.send(1, 'queue.declare', q('pr')); for (let i = 0; i < 4; i++) r.pub(1, { exchange: '', routingKey: 'pr' }, {}, 'm' + i); await r.settle();
  r.send(1, 'basic.consume', { queue: 'pr', consumerTag: 'c' }); await r.settle(); r.log = []; r.send(1, 'basic.ack', { deliveryTag: 2 }); r.send(1, 'basic.ack', { deliveryTag: 2, multiple: true }); await r.settle(); };
scenarios['double ack'] = async ({ r }) => {
  r.send(1, 'queue.delete', { queue: 'pr' }); r.send(1, 'queue.declare', q('pr')); for (let i = 0; i < 4; i++) r.pub(1, { exchange: '', routingKey: 'pr' }, {}, 'm' + i); await r.settle();
  r.send(1, 'basic.consume', { queue: 'pr', consumerTag: 'c' }); await r.settle(); r.log = []; r.send(1, 'basic.ack', { deliveryTag: 2 }); r.send(1, 'basic.ack', { deliveryTag: 2 }); await r.settle(); };
scenarios['delete not empty'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'pr' }); r.send(1, 'queue.declare', q('pr')); r.pub(1, { exchange: '', routingKey: 'pr' }); await r.settle(); r.send(1, 'queue.delete', { queue: 'pr', ifEmpty: true }); await r.settle(); };
scenarios['purge'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'pr' }); r.send(1, 'queue.declare', q('pr')); r.pub(1, { exchange: '', routingKey: 'pr' }); r.pub(1, { exchange: '', routingKey: 'pr' }); await r.settle(); r.send(1, 'queue.purge', { queue: 'pr' }); await r.settle(); };
const dead = (name: string, args: any, act: (r: Raw) => Promise<void>, props: any = {}) => { scenarios['dead ' + name] = async ({ r }) => {
  for (const n of ['pdl', 'pdead']) r.send(1, 'queue.delete', { queue: n });
  r.send(1, 'queue.declare', q('pdead')); r.send(1, 'exchange.declare', x('pdlx', 'fanout')); r.send(1, 'queue.bind', { queue: 'pdead', exchange: 'pdlx', routingKey: '' });
  r.send(1, 'queue.declare', q('pdl', { arguments: { 'x-dead-letter-exchange': 'pdlx', ...args } })); await r.settle(); r.log = [];
  r.pub(1, { exchange: '', routingKey: 'pdl' }, props); await r.settle(); await act(r); await r.settle(); r.send(1, 'basic.get', { queue: 'pdead', noAck: false }); await r.settle(); }; };
dead('reject', {}, async (r) => { r.send(1, 'basic.get', { queue: 'pdl' }); await r.settle(); r.send(1, 'basic.reject', { deliveryTag: 1, requeue: false }); }, { headers: { a: 1 } });
dead('reject key', { 'x-dead-letter-routing-key': 'kk' }, async (r) => { r.send(1, 'basic.get', { queue: 'pdl' }); await r.settle(); r.send(1, 'basic.reject', { deliveryTag: 1, requeue: false }); }, { headers: { CC: ['c1'], BCC: ['b1'], b: 2 }, expiration: '60000', deliveryMode: 2 });
dead('cc', {}, async (r) => { r.send(1, 'basic.get', { queue: 'pdl' }); await r.settle(); r.send(1, 'basic.reject', { deliveryTag: 1, requeue: false }); }, { headers: { CC: ['c1'], BCC: ['b1'], b: 2 }, expiration: '60000', deliveryMode: 2 });
dead('expire', { 'x-message-ttl': 50 }, async (r) => { await r.settle(150); });
dead('expire own', {}, async (r) => { await r.settle(150); }, { expiration: '50' });
dead('maxlen', { 'x-max-length': 1 }, async (r) => { r.pub(1, { exchange: '', routingKey: 'pdl' }); });
dead('client xdeath', {}, async (r) => { r.send(1, 'basic.get', { queue: 'pdl' }); await r.settle(); r.send(1, 'basic.reject', { deliveryTag: 1, requeue: false }); }, { headers: { 'x-death': [{ count: 3, reason: 'rejected', queue: 'pdl', exchange: 'ee', 'routing-keys': ['r'], time: new Date(0) }, { count: 2, reason: 'expired', queue: 'other', exchange: 'ee', 'routing-keys': ['r'], time: new Date(0) }] } });
dead('twice', {}, async (r) => { r.send(1, 'basic.get', { queue: 'pdl' }); await r.settle(); r.send(1, 'basic.reject', { deliveryTag: 1, requeue: false }); await r.settle(); r.send(1, 'queue.bind', { queue: 'pdl', exchange: 'pdlx', routingKey: '' }); });
for (const limit of [undefined, 1]) scenarios['quorum counts ' + limit] = async ({ r }) => {
  r.send(1, 'queue.delete', { queue: 'pqc' }); r.send(1, 'queue.declare', q('pqc', { arguments: { 'x-queue-type': 'quorum', ...(limit ? { 'x-delivery-limit': limit } : {}) } })); await r.settle(900); r.pub(1, { exchange: '', routingKey: 'pqc' }, { headers: { z: 1 } }); await r.settle(200);
  r.send(1, 'basic.get', { queue: 'pqc' }); await r.settle(200); r.send(1, 'basic.nack', { deliveryTag: 1, requeue: true }); await r.settle(200); r.send(1, 'basic.get', { queue: 'pqc' }); await r.settle(200);
  r.send(1, 'channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }); await r.settle(); r.send(2, 'channel.open', {}); await r.settle(); r.send(2, 'basic.get', { queue: 'pqc' }); await r.settle(200); r.send(2, 'basic.reject', { deliveryTag: 1, requeue: true }); await r.settle(200); r.send(2, 'basic.get', { queue: 'pqc' }); await r.settle(200); r.send(2, 'basic.recover', { requeue: true }); await r.settle(200); r.send(2, 'basic.get', { queue: 'pqc' }); await r.settle(200);  };
for (const overflow of ['reject-publish', 'reject-publish-dlx', 'drop-head']) scenarios['overflow ' + overflow] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'po' }); r.send(1, 'queue.declare', q('po', { arguments: { 'x-max-length': 2, 'x-overflow': overflow } })); r.send(1, 'confirm.select', {}); for (let i = 0; i < 4; i++) { r.pub(1, { exchange: '', routingKey: 'po' }, {}, 'm' + i); await r.settle(); } r.send(1, 'basic.get', { queue: 'po' }); await r.settle(); };
scenarios['ttl 0'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'pz' }); r.send(1, 'queue.declare', q('pz', { arguments: { 'x-message-ttl': 0 } })); r.pub(1, { exchange: '', routingKey: 'pz' }); await r.settle(); r.send(1, 'basic.get', { queue: 'pz' }); await r.settle(); r.send(1, 'basic.consume', { queue: 'pz', consumerTag: 'c' }); await r.settle(); r.pub(1, { exchange: '', routingKey: 'pz' }, {}, 'z'); await r.settle(); };
scenarios['direct reply'] = async ({ r }) => { r.send(1, 'basic.consume', { queue: 'amq.rabbitmq.reply-to', consumerTag: 'rep', noAck: true }); r.send(1, 'queue.declare', q('prq')); r.pub(1, { exchange: '', routingKey: 'prq' }, { replyTo: 'amq.rabbitmq.reply-to' }); await r.settle(); r.send(1, 'basic.get', { queue: 'prq', noAck: true }); await r.settle(); };
scenarios['priority'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'ppr' }); r.send(1, 'queue.declare', q('ppr', { arguments: { 'x-max-priority': 5 } })); for (const p of [0, 3, 9, 5, 3]) r.pub(1, { exchange: '', routingKey: 'ppr' }, { priority: p }, 'p' + p); await r.settle(); for (let i = 0; i < 5; i++) { r.send(1, 'basic.get', { queue: 'ppr', noAck: true }); await r.settle(30); } };
scenarios['tx'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'pt' }); r.send(1, 'queue.declare', q('pt')); r.send(1, 'tx.select', {}); r.pub(1, { exchange: '', routingKey: 'pt' }); r.pub(1, { exchange: '', routingKey: 'none', mandatory: true }); await r.settle(); r.send(1, 'queue.declare', q('pt')); await r.settle(); r.send(1, 'tx.commit', {}); await r.settle(); r.send(1, 'basic.get', { queue: 'pt' }); r.send(1, 'basic.ack', { deliveryTag: 1 }); r.send(1, 'tx.rollback', {}); await r.settle(); r.send(1, 'basic.ack', { deliveryTag: 1 }); r.send(1, 'tx.commit', {}); await r.settle(); r.send(1, 'queue.declare', q('pt')); await r.settle(); };
scenarios['auto delete'] = async ({ r }) => { r.send(1, 'queue.declare', q('pau', { autoDelete: true })); r.send(1, 'basic.consume', { queue: 'pau', consumerTag: 'c' }); r.send(1, 'basic.cancel', { consumerTag: 'c' }); await r.settle(); r.send(1, 'queue.declare', q('pau', { passive: true })); await r.settle(); };
scenarios['x in use'] = async ({ r }) => { r.send(1, 'exchange.declare', x('pxu', 'direct')); r.send(1, 'queue.declare', q('p1')); r.send(1, 'queue.bind', { queue: 'p1', exchange: 'pxu', routingKey: 'a' }); r.send(1, 'exchange.delete', { exchange: 'pxu', ifUnused: true }); await r.settle(); };
scenarios['auto delete x'] = async ({ r }) => { r.send(1, 'exchange.declare', x('pxa', 'direct', { autoDelete: true })); r.send(1, 'queue.declare', q('p1')); r.send(1, 'queue.bind', { queue: 'p1', exchange: 'pxa', routingKey: 'a' }); r.send(1, 'queue.unbind', { queue: 'p1', exchange: 'pxa', routingKey: 'a' }); await r.settle(); r.send(1, 'exchange.declare', x('pxa', 'direct', { passive: true })); await r.settle(); };
scenarios['headers any'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'ph' }); r.send(1, 'queue.declare', q('ph')); for (const a of [{ 'x-match': 'any', a: 1, b: 'x' }, { a: 5, 'x-foo': 9 }, { 'x-match': 'all-with-x', 'x-bar': 1 }, { 'x-match': 'any', v: null }]) r.send(1, 'queue.bind', { queue: 'ph', exchange: 'amq.headers', routingKey: j(a), arguments: a }); r.send(1, 'confirm.select', {}); for (const h of [{ a: 1 }, { b: 'x' }, { a: 5 }, { c: 1 }, { 'x-bar': 1 }, { v: 'anything' }, undefined]) { r.pub(1, { exchange: 'amq.headers', routingKey: '', mandatory: true }, { headers: h }, 'h'); await r.settle(40); } };
scenarios['headers empty all'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'ph2' }); r.send(1, 'exchange.declare', x('phx', 'headers')); r.send(1, 'queue.declare', q('ph2')); r.send(1, 'queue.bind', { queue: 'ph2', exchange: 'phx', routingKey: '', arguments: {} }); r.send(1, 'confirm.select', {}); r.pub(1, { exchange: 'phx', routingKey: '', mandatory: true }, {}, 'h'); await r.settle(); r.send(1, 'queue.delete', { queue: 'ph2' }); r.send(1, 'queue.declare', q('ph2')); r.send(1, 'queue.bind', { queue: 'ph2', exchange: 'phx', routingKey: '', arguments: { 'x-match': 'any' } }); r.pub(1, { exchange: 'phx', routingKey: '', mandatory: true }, {}, 'h'); await r.settle(); };
scenarios['sac'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'psac' }); r.send(1, 'queue.declare', q('psac', { arguments: { 'x-single-active-consumer': true } })); r.send(1, 'basic.consume', { queue: 'psac', consumerTag: 'c1' }); r.send(1, 'basic.consume', { queue: 'psac', consumerTag: 'c2' }); await r.settle(); for (let i = 0; i < 2; i++) { r.pub(1, { exchange: '', routingKey: 'psac' }); await r.settle(40); } r.send(1, 'basic.cancel', { consumerTag: 'c1' }); await r.settle(); r.pub(1, { exchange: '', routingKey: 'psac' }); await r.settle(); r.send(1, 'basic.consume', { queue: 'psac', consumerTag: 'c3', exclusive: true }); await r.settle(); };
scenarios['round robin'] = async ({ r }) => { r.send(1, 'queue.delete', { queue: 'prr' }); r.send(1, 'queue.declare', q('prr')); for (const c of ['c1', 'c2', 'c3']) r.send(1, 'basic.consume', { queue: 'prr', consumerTag: c }); await r.settle(); for (let i = 0; i < 5; i++) { r.pub(1, { exchange: '', routingKey: 'prr' }); await r.settle(30); } };

const port = Number(process.argv[2]); const only = process.argv[3];
for (const [name, run] of Object.entries(scenarios)) {
  if (only && !name.includes(only)) continue;
  const r = await new Raw().open(port); r.send(1, 'channel.open', {}); await r.next('channel.open-ok'); r.log = [];
  const clean = await new Raw().open(port); clean.send(1, 'channel.open', {}); await clean.next('channel.open-ok');
  for (const n of ['p1', 'p2', 'p3', 'pq', 'pqo', 'pa']) clean.send(1, 'queue.delete', { queue: n }); await clean.settle(40); clean.socket.destroy();
  await run({ port, r, open: openMore }).catch((e) => r.log.push('THROWN ' + e.message));
  await r.settle(30);
  console.log('## ' + name); for (const l of r.log) console.log(l.replaceAll(/"time":"[^"]+"/g, '"time":T').replaceAll(/amq\.(gen|ctag)-[\w-]+/g, 'amq.$1-X').replaceAll(/reply-to\.[\w.=+/-]+/g, 'reply-to.X').replaceAll(String(port), 'PORT'));
  r.socket.destroy();
}
process.exit(0);
