"""What Celery's client, py-amqp, does. Arguments: the broker's URL, a name that nobody else uses. Prints a line for each step that held."""
import sys
from urllib.parse import urlparse
import amqp

at, name = urlparse(sys.argv[1]), sys.argv[2]


def held(step):
    print(step, flush=True)


def connect(password='guest'):
    opened = amqp.Connection('%s:%d' % (at.hostname, at.port), 'guest', password, confirm_publish=True, connect_timeout=10)
    opened.connect()
    return opened


def refused(error, call):
    try:
        call()
    except error as refusal:
        return refusal
    raise AssertionError('not refused')


connection = connect()
channel = connection.channel()
held('connects')

queue = channel.queue_declare('', exclusive=True).queue
channel.exchange_declare('%s.topic' % name, 'topic', auto_delete=True)
channel.queue_bind(queue, '%s.topic' % name, 'order.*')
headers = {'text': 'ü', 'whole': 7, 'real': 0.5, 'list': [1, 'a'], 'none': None, 'table': {'a': True}}
body = b'leveret' * 100000
channel.basic_publish(amqp.Message(body, application_headers=headers, priority=3), '%s.topic' % name, 'order.created')
message = channel.basic_get(queue)
assert message.body == body and message.headers == headers and message.properties['priority'] == 3
channel.basic_ack(message.delivery_tag)
held('publishes with confirms; carries properties, headers and a body of several frames')

seen = []


def on_message(message):
    seen.append((message.body, message.delivery_info['redelivered']))
    if len(seen) == 1:
        channel.basic_reject(message.delivery_tag, requeue=True)
    else:
        channel.basic_ack(message.delivery_tag)


channel.basic_qos(0, 1, False)
tag = channel.basic_consume(queue, callback=on_message)
for text in ('1', '2'):
    channel.basic_publish(amqp.Message(text), '', queue)
while len(seen) < 3:
    connection.drain_events(timeout=5)
channel.basic_cancel(tag)
assert seen == [('1', False), ('1', True), ('2', False)], seen
held('consumes with a prefetch, acknowledges and requeues')

assert refused(amqp.NotFound, lambda: connection.channel().queue_declare('%s.absent' % name, passive=True)).reply_code == 404
refused(amqp.PreconditionFailed, lambda: connection.channel().exchange_declare('amq.topic', 'fanout', durable=True))
refused(amqp.AccessRefused, lambda: connection.channel().queue_declare('amq.reserved'))
refused(amqp.AccessRefused, lambda: connect('wrong'))
held('raises its own errors for 403, 404, 406 and a wrong password')

held('waits to be cut')
refused((ConnectionError, OSError), lambda: connection.drain_events(timeout=20))
connect().close()
held('hears of the cut, and connects again')
