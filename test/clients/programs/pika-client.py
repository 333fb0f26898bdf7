"""What users of Pika do. Arguments: the broker's URL, a name that nobody else uses. Prints a line for each step that held."""
import sys
import pika
from pika.exceptions import (AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker, NackError,
                             ProbableAccessDeniedError, ProbableAuthenticationError, UnroutableError)

url, name = sys.argv[1], sys.argv[2]


def held(step):
    print(step, flush=True)


def refused(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except error as refusal:
        return refusal
    raise AssertionError('%r was not refused' % (call,))


def parameters(**changes):
    given = pika.URLParameters(url)
    for key, value in changes.items():
        setattr(given, key, value)
    return given


connection = pika.BlockingConnection(parameters(heartbeat=2))
channel = connection.channel()
channel.confirm_delivery()
held('connects')

queue = channel.queue_declare('', exclusive=True).method.queue
assert queue.startswith('amq.gen-')
routes = [('direct', 'red', None, 'red', None), ('topic', '*.red.#', None, 'a.red.b', None), ('fanout', '', None, 'x', None),
          ('headers', '', {'x-match': 'all', 'color': 'red'}, '', {'color': 'red'})]
for kind, binding, table, key, headers in routes:
    exchange = '%s.%s' % (name, kind)
    channel.exchange_declare(exchange, kind, auto_delete=True)
    channel.queue_bind(queue, exchange, binding, table)
    channel.basic_publish(exchange, key, kind.encode(), pika.BasicProperties(headers=headers), mandatory=True)
    assert channel.basic_get(queue, auto_ack=True)[2] == kind.encode()
    if kind != 'fanout':
        refused(UnroutableError, channel.basic_publish, exchange, 'blue', b'', pika.BasicProperties(headers={}), True)
    channel.queue_unbind(queue, exchange, binding, table)
held('routes by every type of exchange, and hears of what no queue takes')

sent = pika.BasicProperties('text/plain', 'identity', {'text': 'ü', 'whole': 7, 'list': [1, 'a'], 'none': None},
                            2, 3, 'c', 'r', '60000', 'm', 1700000000, 't', 'guest', 'a')
body = b'leveret' * 100000
channel.basic_publish('', queue, body, sent)
method, properties, received = channel.basic_get(queue, auto_ack=True)
assert received == body and properties == sent, properties
held('carries properties, headers and a body of several frames')

full = '%s.full' % name
channel.queue_declare(full, exclusive=True, arguments={'x-max-length': 1, 'x-overflow': 'reject-publish'})
channel.basic_publish('', full, b'1')
refused(NackError, channel.basic_publish, '', full, b'2')
held('hears of what a full queue rejects')

dead, work = '%s.dead' % name, '%s.work' % name
channel.queue_declare(dead, exclusive=True)
channel.queue_declare(work, exclusive=True, arguments={'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead})
for text in (b'1', b'2', b'3'):
    channel.basic_publish('', work, text)
channel.basic_qos(prefetch_count=2)
seen = []
for method, properties, text in channel.consume(work, inactivity_timeout=5):
    seen.append((text, method.redelivered))
    if text == b'1' and not method.redelivered:
        channel.basic_nack(method.delivery_tag, requeue=True)
    elif text == b'2':
        channel.basic_reject(method.delivery_tag, requeue=False)
    else:
        channel.basic_ack(method.delivery_tag)
    if len(seen) == 4:
        break
channel.cancel()
assert sorted(seen) == [(b'1', False), (b'1', True), (b'2', False), (b'3', False)], seen
method, properties, text = channel.basic_get(dead, auto_ack=True)
assert text == b'2' and properties.headers['x-death'][0]['reason'] == 'rejected'
assert channel.queue_declare(work, passive=True).method.message_count == 0
held('consumes with a prefetch, acknowledges, requeues and dead-letters')

replies = []
channel.basic_consume('amq.rabbitmq.reply-to', lambda *delivery: replies.append(delivery[3]), auto_ack=True)
channel.basic_publish('', queue, b'2', pika.BasicProperties(reply_to='amq.rabbitmq.reply-to'))
method, request, text = channel.basic_get(queue, auto_ack=True)
channel.basic_publish('', request.reply_to, b'twice ' + text)
while not replies:
    connection.process_data_events(1)
assert replies == [b'twice 2']
held('is answered by direct reply-to')

transacted = connection.channel()
transacted.tx_select()
transacted.basic_publish('', queue, b'gone')
transacted.tx_rollback()
transacted.basic_publish('', queue, b'kept')
transacted.tx_commit()
assert transacted.basic_get(queue, auto_ack=True)[2] == b'kept'
assert transacted.basic_get(queue, auto_ack=True) == (None, None, None)
held('commits and rolls back')

for code, call, arguments in [
        (404, 'queue_declare', dict(queue='%s.absent' % name, passive=True)),
        (406, 'exchange_declare', dict(exchange='amq.topic', exchange_type='fanout', durable=True)),
        (403, 'queue_declare', dict(queue='amq.reserved')),
        (406, 'basic_ack', dict(delivery_tag=99))]:
    other = connection.channel()
    refusal = refused(ChannelClosedByBroker, lambda: (getattr(other, call)(**arguments), other.basic_qos(prefetch_count=1)))
    assert refusal.reply_code == code and other.is_closed and connection.is_open, refusal
wrong = parameters(credentials=pika.PlainCredentials('guest', 'wrong'))
refused(ProbableAuthenticationError, pika.BlockingConnection, wrong)
refused((ProbableAccessDeniedError, ConnectionClosedByBroker), pika.BlockingConnection, parameters(virtual_host='nowhere'))
held('raises its own errors for 403, 404, 406, a wrong password and a virtual host that is not there')

gone = '%s.gone' % name
channel.queue_declare(gone)
cancelled = []
channel.add_on_cancel_callback(cancelled.append)
channel.basic_consume(gone, lambda *delivery: None)
connection.channel().queue_delete(gone)
while not cancelled:
    connection.process_data_events(1)
held('is told that the queue of a consumer is gone')

connection.sleep(5)
assert connection.is_open
held('outlives its heartbeat time-out')

held('waits to be cut')
refused(AMQPConnectionError, connection.sleep, 20)
again = pika.BlockingConnection(parameters())
assert again.channel().queue_declare('', exclusive=True).method.message_count == 0
again.close()
held('hears of the cut, and connects again')
