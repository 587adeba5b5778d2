<?php
// php-amqplib. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it.
require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

function check(string $name, bool $good, string $why = ''): void
{
    echo $good ? "ok $name\n" : "not ok $name\n# $why\n";
}

$connection = new AMQPStreamConnection($argv[1], (int) $argv[2], 'guest', 'guest', '/', false, 'AMQPLAIN', null,
    'en_US', 10.0, 10.0);
check('connect', $connection->isConnected());
$channel = $connection->channel();
$channel->basic_qos(0, 5, false);
check('qos', true);
$channel->queue_declare('php-dead', false, true, false, false);
$channel->queue_declare('php', false, true, false, false, false, new AMQPTable([
    'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => 'php-dead']));
$channel->queue_purge('php');
$channel->queue_purge('php-dead');
$channel->exchange_declare('php-headers', 'headers', false, false, true);
$channel->queue_bind('php', 'php-headers', '', false, new AMQPTable(['x-match' => 'all', 'n' => 1]));
check('declare', true);

$acked = 0;
$returned = [];
$channel->set_ack_handler(function () use (&$acked) { $acked++; });
$channel->set_return_listener(function ($code, $text, $exchange, $key, $message) use (&$returned) {
    $returned[] = [$code, $key, $message->getBody()];
});
$channel->confirm_select();
$channel->basic_publish(new AMQPMessage('one', [
    'delivery_mode' => 2, 'message_id' => 'm1', 'content_type' => 'text/plain',
    'application_headers' => new AMQPTable(['n' => 1, 't' => ['deep' => [1, true]]])]), 'php-headers');
$channel->wait_for_pending_acks(10);
check('confirm', $acked === 1, "$acked");
$channel->basic_publish(new AMQPMessage('lost'), '', 'nobody-has-this', true);
$channel->wait_for_pending_acks_returns(10);
check('return', $returned === [[312, 'nobody-has-this', 'lost']], json_encode($returned));

$message = $channel->basic_get('php');
$headers = $message->get('application_headers')->getNativeData();
check('properties', $headers === ['n' => 1, 't' => ['deep' => [1, true]]] && $message->get('message_id') === 'm1'
    && $message->get('content_type') === 'text/plain', json_encode($headers));
$message->nack(true);
$message = $channel->basic_get('php');
check('requeue', $message->isRedelivered() && $message->getBody() === 'one');
$message->reject(false);
check('get-empty', $channel->basic_get('php') === null);
for ($try = 0, $dead = null; $try < 250 && $dead === null; $try++) {
    usleep(20000);
    $dead = $channel->basic_get('php-dead', true);
}
$death = $dead->get('application_headers')->getNativeData()['x-death'][0];
check('dead-letter', $death['reason'] === 'rejected' && $death['queue'] === 'php' && $death['count'] === 1,
    json_encode($death));

$bodies = [];
$channel->basic_consume('php', 'tag', false, false, false, false, function ($message) use (&$bodies) {
    $bodies[] = $message->getBody();
    $message->ack();
});
for ($n = 0; $n < 100; $n++) {
    $channel->batch_basic_publish(new AMQPMessage("$n"), '', 'php');
}
$channel->publish_batch();
$channel->wait_for_pending_acks(10);
while (count($bodies) < 100) {
    $channel->wait(null, false, 10);
}
check('consume', $bodies === array_map('strval', range(0, 99)));
$channel->basic_cancel('tag');

$big = random_bytes(700000);
$channel->basic_publish(new AMQPMessage($big), '', 'php');
$channel->wait_for_pending_acks(10);
check('large', $channel->basic_get('php', true)->getBody() === $big);

$other = $connection->channel();
$other->tx_select();
$other->basic_publish(new AMQPMessage('in'), '', 'php-dead');
$other->tx_commit();
$other->basic_publish(new AMQPMessage('out'), '', 'php-dead');
$other->tx_rollback();
[, $count] = $channel->queue_declare('php-dead', true);
check('transaction', $count === 1, "$count");

try {
    $connection->channel()->queue_declare('php-none', true);
    check('error', false, 'no error');
} catch (AMQPProtocolChannelException $error) {
    check('error', $error->amqp_reply_code === 404, $error->getMessage());
}
[$name] = $channel->queue_declare('', false, false, true);
check('server-named', strpos($name, 'amq.gen-') === 0, $name);
$channel->queue_delete('php');
$channel->queue_delete('php-dead');
$connection->close();
check('close', !$connection->isConnected());
