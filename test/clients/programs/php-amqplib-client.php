<?php
// What users of php-amqplib do. Arguments: the broker's URL, a name that nobody else uses. Prints a line for each step that held.
require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

[, $url, $name] = $argv;
$at = parse_url($url);

function held(string $step): void { echo "$step\n"; }
function check(string $what, bool $holds): void { if (!$holds) throw new Exception("not so: $what"); }
function refused(string $type, callable $call): Throwable {
    try { $call(); } catch (Throwable $error) {
        if ($error instanceof $type) return $error;
        throw $error;
    }
    throw new Exception("no $type");
}
function open(array $at, string $password = 'guest', int $heartbeat = 0): AMQPStreamConnection {
    return new AMQPStreamConnection($at['host'], $at['port'] ?? 5672, 'guest', $password, '/', false, 'AMQPLAIN', null, 'en_US', 10, 20, null, false, $heartbeat);
}

$connection = open($at);
$channel = $connection->channel();
$channel->confirm_select();
held('connects by AMQPLAIN');

[$queue] = $channel->queue_declare('', false, false, true);
foreach (['direct' => ['red', 'red'], 'topic' => ['*.red.#', 'a.red.b'], 'fanout' => ['', 'x']] as $type => [$binding, $key]) {
    $channel->exchange_declare("$name.$type", $type);
    $channel->queue_bind($queue, "$name.$type", $binding);
    $channel->basic_publish(new AMQPMessage($type), "$name.$type", $key);
    $channel->wait_for_pending_acks(5);
    check('routed', $channel->basic_get($queue, true)->getBody() === $type);
    $channel->exchange_delete("$name.$type");
}
$channel->exchange_declare("$name.headers", 'headers');
$channel->queue_bind($queue, "$name.headers", '', false, new AMQPTable(['x-match' => 'all', 'color' => 'red']));
foreach (['red', 'blue'] as $color) {
    $channel->basic_publish(new AMQPMessage($color, ['application_headers' => new AMQPTable(['color' => $color])]), "$name.headers");
}
$channel->wait_for_pending_acks(5);
check('by headers', $channel->basic_get($queue, true)->getBody() === 'red' && $channel->basic_get($queue, true) === null);
$channel->exchange_delete("$name.headers");
held('routes by every type of exchange');

$headers = ['text' => 'ü', 'whole' => 7, 'real' => 0.5, 'list' => [1, 'a'], 'none' => null];
$body = str_repeat('leveret', 100000);
$channel->basic_publish(new AMQPMessage($body, ['content_type' => 'text/plain', 'priority' => 3, 'timestamp' => 1700000000, 'application_headers' => new AMQPTable($headers)]), '', $queue);
$channel->wait_for_pending_acks(5);
$message = $channel->basic_get($queue, true);
check('body', $message->getBody() === $body);
check('headers', $message->get('application_headers')->getNativeData() == $headers);
check('properties', $message->get('priority') === 3 && $message->get('timestamp') == 1700000000);
held('carries properties, headers and a body of several frames');

$heard = [];
$channel->set_return_listener(function (int $code) use (&$heard) { $heard[] = $code; });
$channel->set_nack_handler(function (AMQPMessage $message) use (&$heard) { $heard[] = 'nack ' . $message->getBody(); });
$channel->basic_publish(new AMQPMessage('x'), '', "$name.nobody", true);
$channel->wait_for_pending_acks_returns(5);
$channel->queue_declare("$name.full", false, false, true, true, false, new AMQPTable(['x-max-length' => 1, 'x-overflow' => 'reject-publish']));
foreach (['1', '2'] as $text) $channel->basic_publish(new AMQPMessage($text), '', "$name.full");
$channel->wait_for_pending_acks_returns(5);
check('heard', $heard === [312, 'nack 2']);
held('hears of what no queue takes and of what a full queue rejects');

$channel->queue_declare("$name.dead", false, false, true);
$channel->queue_declare("$name.work", false, false, true, true, false, new AMQPTable(['x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => "$name.dead"]));
foreach (['1', '2', '3'] as $text) $channel->basic_publish(new AMQPMessage($text), '', "$name.work");
$channel->basic_qos(0, 2, false);
$seen = [];
$tag = $channel->basic_consume("$name.work", '', false, false, false, false, function (AMQPMessage $message) use (&$seen) {
    $seen[] = $message->getBody() . ($message->isRedelivered() ? ' again' : '');
    if (end($seen) === '1') $message->nack(true);
    elseif (end($seen) === '2') $message->reject(false);
    else $message->ack();
});
while (count($seen) < 4) $channel->wait(null, false, 5);
$channel->basic_cancel($tag);
sort($seen);
check('seen', $seen === ['1', '1 again', '2', '3']);
$dead = $channel->basic_get("$name.dead", true);
check('dead', $dead->getBody() === '2' && $dead->get('application_headers')->getNativeData()['x-death'][0]['reason'] === 'rejected');
held('consumes with a prefetch, acknowledges, requeues and dead-letters');

$reply = null;
$channel->basic_consume('amq.rabbitmq.reply-to', '', false, true, false, false, function (AMQPMessage $message) use (&$reply) { $reply = $message->getBody(); });
$channel->basic_publish(new AMQPMessage('2', ['reply_to' => 'amq.rabbitmq.reply-to']), '', $queue);
$channel->wait_for_pending_acks(5);
$request = $channel->basic_get($queue, true);
$channel->basic_publish(new AMQPMessage('twice ' . $request->getBody()), '', $request->get('reply_to'));
while ($reply === null) $channel->wait(null, false, 5);
check('reply', $reply === 'twice 2');
held('is answered by direct reply-to');

foreach ([404 => fn ($on) => $on->queue_declare("$name.absent", true),
          406 => fn ($on) => $on->exchange_declare('amq.topic', 'fanout', false, true, false),
          403 => fn ($on) => $on->queue_declare('amq.reserved')] as $code => $call) {
    $error = refused(AMQPProtocolChannelException::class, fn () => $call($connection->channel()));
    check("code $code", $error->amqp_reply_code === $code);
}
refused(AMQPConnectionClosedException::class, fn () => open($at, 'wrong'));
held('throws its own errors for 403, 404, 406 and a wrong password');

held('waits to be cut');
refused(AMQPConnectionClosedException::class, function () use ($channel) { while (true) $channel->wait(null, false, 20); });
$again = open($at);
$again->channel()->queue_declare('', false, false, true);
$again->close();
held('hears of the cut, and connects again');
