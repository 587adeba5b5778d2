# Perl's AnyEvent::RabbitMQ. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it.
use strict;
use warnings;
use AnyEvent;
use AnyEvent::RabbitMQ;

$| = 1;
my ($host, $port) = @ARGV;
my $alarm = AnyEvent->timer(after => 60, cb => sub { print "not ok in-time\n"; exit 1 });

sub check {
    my ($name, $good, $why) = @_;
    print $good ? "ok $name\n" : "not ok $name\n# " . ($why // '') . "\n";
}

# Calls a method and waits for its answer; dies if the broker refuses.
sub call {
    my ($object, $method, %arguments) = @_;
    my $done = AnyEvent->condvar;
    $object->$method(
        %arguments,
        on_success => sub { $done->send(shift) },
        on_failure => sub { my $why = shift; $done->croak(ref $why ? $why->method_frame->reply_text : $why) },
    );
    return $done->recv;
}

my $connection = AnyEvent::RabbitMQ->new->load_xml_spec;
call($connection, 'connect', host => $host, port => $port, user => 'guest', pass => 'guest', vhost => '/',
    timeout => 10, tune => { heartbeat => 10 });
check('connect', 1);
my $channel = call($connection, 'open_channel');
call($channel, 'qos', prefetch_count => 5);
check('qos', 1);
my $declared = call($channel, 'declare_queue', queue => 'perl', durable => 1, arguments => { 'x-max-length' => 1000 });
call($channel, 'purge_queue', queue => 'perl');
call($channel, 'declare_exchange', exchange => 'perl-fanout', type => 'fanout', auto_delete => 1);
call($channel, 'bind_queue', queue => 'perl', exchange => 'perl-fanout', routing_key => '');
check('declare', $declared->method_frame->queue eq 'perl');

call($channel, 'confirm');
my $confirmed = AnyEvent->condvar;
$channel->publish(exchange => 'perl-fanout', routing_key => 'x', body => 'one',
    header => { message_id => 'm1', headers => { n => 1, s => 'text' }, delivery_mode => 2 },
    on_ack => sub { $confirmed->send(1) }, on_nack => sub { $confirmed->send(0) });
check('confirm', $confirmed->recv);
my $returned = AnyEvent->condvar;
$channel->publish(exchange => '', routing_key => 'nobody-has-this', body => 'lost', mandatory => 1,
    on_ack => sub { }, on_return => sub { $returned->send($_[0]->{method_frame}->reply_code) });
my $code = $returned->recv;
check('return', $code == 312, $code);

my $got = call($channel, 'get', queue => 'perl', no_ack => 0);
check('properties', $got->{body}->to_raw_payload =~ /^one/ && $got->{header}->message_id eq 'm1'
    && $got->{header}->headers->{s} eq 'text');
$channel->reject(delivery_tag => $got->{ok}->method_frame->delivery_tag, requeue => 1);
$got = call($channel, 'get', queue => 'perl', no_ack => 0);
check('requeue', $got->{ok}->method_frame->redelivered);
$channel->ack(delivery_tag => $got->{ok}->method_frame->delivery_tag);
check('get-empty', exists call($channel, 'get', queue => 'perl')->{empty});

my (@bodies, $all);
$all = AnyEvent->condvar;
call($channel, 'consume', queue => 'perl', no_ack => 0, consumer_tag => 'tag', on_consume => sub {
    my $delivery = shift;
    push @bodies, $delivery->{body}->payload;
    $channel->ack(delivery_tag => $delivery->{deliver}->method_frame->delivery_tag);
    $all->send if @bodies == 100;
});
$channel->publish(exchange => '', routing_key => 'perl', body => "$_", on_ack => sub { }) for 0 .. 99;
$all->recv;
check('consume', "@bodies" eq join(' ', 0 .. 99));
call($channel, 'cancel', consumer_tag => 'tag');

my $other = call($connection, 'open_channel');
call($other, 'select_tx');
$other->publish(exchange => '', routing_key => 'perl', body => 'in');
call($other, 'commit_tx');
$other->publish(exchange => '', routing_key => 'perl', body => 'out');
call($other, 'rollback_tx');
my $count = call($channel, 'declare_queue', queue => 'perl', passive => 1)->method_frame->message_count;
check('transaction', $count == 1, $count);

my $third = call($connection, 'open_channel');
check('error', !eval { call($third, 'declare_queue', queue => 'perl-none', passive => 1); 1 } && $@ =~ /NOT_FOUND/, $@);
call($channel, 'delete_queue', queue => 'perl');
call($connection, 'close');
check('close', 1);
