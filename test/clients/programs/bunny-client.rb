# What users of Bunny do. Arguments: the broker's URL, a name that nobody else uses. Prints a line for each step that held.
require 'bunny'
require 'timeout'

url, name = ARGV
$stdout.sync = true

def check(what, holds)
  raise "not so: #{what}" unless holds
end

def refused(type)
  yield
rescue type => error
  error
else
  raise "no #{type}"
end

connection = Bunny.new(url, network_recovery_interval: 0.2, heartbeat: 2, logger: Logger.new(IO::NULL))
connection.start
channel = connection.create_channel
channel.confirm_select
puts 'connects'

queue = channel.queue('', exclusive: true)
{ direct: ['red', 'red'], topic: ['*.red.#', 'a.red.b'], fanout: ['', 'x'] }.each do |type, (binding, key)|
  exchange = channel.exchange("#{name}.#{type}", type: type, auto_delete: true)
  queue.bind(exchange, routing_key: binding)
  exchange.publish(type.to_s, routing_key: key)
  check 'confirmed', channel.wait_for_confirms
  check 'routed', queue.pop[2] == type.to_s
  queue.unbind(exchange, routing_key: binding)
end
exchange = channel.headers("#{name}.headers", auto_delete: true)
queue.bind(exchange, arguments: { 'x-match' => 'all', 'color' => 'red' })
exchange.publish('red', headers: { color: 'red' })
exchange.publish('blue', headers: { color: 'blue' })
channel.wait_for_confirms
check 'by headers', [queue.pop[2], queue.pop[2]] == ['red', nil]
puts 'routes by every type of exchange'

body = 'leveret' * 100_000
queue.publish(body, content_type: 'text/plain', headers: { 'text' => 'ü', 'whole' => 7, 'list' => [1, 'a'] }, message_id: 'm', priority: 3)
channel.wait_for_confirms
_, properties, received = queue.pop
check 'body', received == body
headers = properties[:headers]
check 'headers', headers['text'].dup.force_encoding('UTF-8') == 'ü' && headers['whole'] == 7 && headers['list'] == [1, 'a']
check 'properties', properties[:message_id] == 'm' && properties[:priority] == 3
puts 'carries properties, headers and a body of several frames'

returned = Queue.new
unrouted = channel.default_exchange
unrouted.on_return { |info, _, _| returned << info.reply_code }
unrouted.publish('x', routing_key: "#{name}.nobody", mandatory: true)
check 'returned', Timeout.timeout(10) { returned.pop } == 312
full = channel.queue("#{name}.full", exclusive: true, arguments: { 'x-max-length' => 1, 'x-overflow' => 'reject-publish' })
full.publish('1')
full.publish('2')
check 'refused', !channel.wait_for_confirms && channel.nacked_set.size == 1
puts 'hears of what no queue takes and of what a full queue rejects'

dead = channel.queue("#{name}.dead", exclusive: true)
work = channel.queue("#{name}.work", exclusive: true, arguments: { 'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => dead.name })
worker = connection.create_channel
worker.prefetch(2)
seen = Queue.new
consumer = worker.queue(work.name, passive: true).subscribe(manual_ack: true) do |info, _, text|
  seen << [text, info.redelivered?]
  if text == '1' && !info.redelivered? then worker.nack(info.delivery_tag, false, true)
  elsif text == '2' then worker.reject(info.delivery_tag, false)
  else worker.ack(info.delivery_tag)
  end
end
%w[1 2 3].each { |text| work.publish(text) }
check 'all came', Timeout.timeout(10) { 4.times.map { seen.pop } }.sort_by(&:to_s) == [['1', false], ['1', true], ['2', false], ['3', false]]
consumer.cancel
check 'settled', worker.queue(work.name, passive: true).message_count.zero?
_, properties, text = dead.pop
check 'dead', text == '2' && properties[:headers]['x-death'][0]['reason'] == 'rejected'
puts 'consumes with a prefetch, acknowledges, requeues and dead-letters'

replies = Queue.new
requester = connection.create_channel
requester.basic_consume('amq.rabbitmq.reply-to', '', true) { |_, _, reply| replies << reply }
requester.default_exchange.publish('2', routing_key: queue.name, reply_to: 'amq.rabbitmq.reply-to')
request = nil
request = queue.pop until request && request[2]
channel.default_exchange.publish("twice #{request[2]}", routing_key: request[1][:reply_to])
check 'reply', Timeout.timeout(10) { replies.pop } == 'twice 2'
puts 'is answered by direct reply-to'

refused(Bunny::NotFound) { connection.create_channel.queue("#{name}.absent", passive: true) }
refused(Bunny::PreconditionFailed) { connection.create_channel.exchange("#{name}.headers", type: :fanout, auto_delete: true) }
refused(Bunny::AccessRefused) { connection.create_channel.queue('amq.reserved') }
refused(Bunny::AuthenticationFailureError) do
  Bunny.new(url.sub('guest:guest', 'guest:wrong'), logger: Logger.new(IO::NULL), recover_from_connection_close: false).start
end
puts 'raises its own errors for 403, 404, 406 and a wrong password'

sleep 5
check 'open', connection.open?
puts 'outlives its heartbeat time-out'

kept = connection.create_channel.queue("#{name}.kept", durable: false, exclusive: true)
heard = Queue.new
kept.subscribe { |_, _, text| heard << text }
puts 'waits to be cut'
deadline = Time.now + 20
until Time.now > deadline || !heard.empty?
  begin
    kept.publish('again') if connection.open?
  rescue Bunny::Exception, IOError, SystemCallError
    # While it is away.
  end
  sleep 0.3
end
check 'consumes again', Timeout.timeout(10) { heard.pop } == 'again'
puts 'recovers its consumer after the cut'
connection.close
