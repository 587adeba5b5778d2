# Ruby's bunny. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it.
require "bunny"
require "timeout"

$stdout.sync = true

def check(name, good, why = "")
  puts good ? "ok #{name}" : "not ok #{name}\n# #{why}"
end

Timeout.timeout(60) do
  connection = Bunny.new(host: ARGV[0], port: ARGV[1].to_i, heartbeat: 10, automatically_recover: false,
                         logger: Logger.new(IO::NULL))
  connection.start
  check("connect", connection.open?)
  channel = connection.create_channel
  channel.prefetch(5)
  check("qos", true)
  dead = channel.queue("bunny-dead", durable: true)
  queue = channel.queue("bunny", durable: true, arguments: {
    "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => "bunny-dead", "x-max-priority" => 5 })
  [queue, dead].each(&:purge)
  topic = channel.topic("bunny-topic", auto_delete: true)
  queue.bind(topic, routing_key: "a.*")
  check("declare", queue.message_count == 0)

  channel.confirm_select
  topic.publish("one", routing_key: "a.b", persistent: true, headers: { "n" => 1, "t" => { "deep" => [1, "two"] } },
                message_id: "m1", priority: 1, timestamp: 1_700_000_000)
  topic.publish("two", routing_key: "a.b", priority: 5)
  check("confirm", channel.wait_for_confirms && channel.nacked_set.empty?)
  returned = Queue.new
  topic.on_return { |info, _, body| returned << [info.reply_code, body] }
  topic.publish("lost", routing_key: "b", mandatory: true)
  channel.wait_for_confirms
  check("return", returned.pop == [312, "lost"])

  info, properties, body = queue.pop(manual_ack: true)
  check("priority", body == "two", body)
  channel.nack(info.delivery_tag, false, true)
  info, _, body = queue.pop(manual_ack: true)
  check("requeue", body == "two" && info.redelivered?, body)
  channel.ack(info.delivery_tag)
  info, properties, body = queue.pop(manual_ack: true)
  check("properties", properties.headers == { "n" => 1, "t" => { "deep" => [1, "two"] } } &&
                      properties.message_id == "m1" && properties.timestamp.to_i == 1_700_000_000, properties)
  channel.reject(info.delivery_tag, false)
  check("get-empty", queue.pop == [nil, nil, nil])
  deadline = Time.now + 5
  sleep 0.02 until dead.message_count == 1 || Time.now > deadline
  _, properties, = dead.pop
  death = properties.headers["x-death"][0]
  check("dead-letter", death["reason"] == "rejected" && death["queue"] == "bunny" && death["count"] == 1, death)

  bodies = Queue.new
  consumer = queue.subscribe(manual_ack: true) do |delivery, _, text|
    bodies << text
    channel.ack(delivery.delivery_tag, bodies.size % 3 == 0)
  end
  100.times { |n| queue.publish(n.to_s) }
  check("consume", (0...100).map { bodies.pop } == (0...100).map(&:to_s))
  consumer.cancel

  other = connection.create_channel
  other.tx_select
  other.default_exchange.publish("in", routing_key: "bunny-dead")
  other.tx_commit
  other.default_exchange.publish("out", routing_key: "bunny-dead")
  other.tx_rollback
  check("transaction", dead.message_count == 1, dead.message_count)

  begin
    connection.create_channel.queue_declare("bunny-none", passive: true)
    check("error", false, "no error")
  rescue Bunny::NotFound => error
    check("error", error.channel_close.reply_code == 404, error.message)
  end
  check("server-named", channel.queue("", exclusive: true).name.start_with?("amq.gen-"))
  queue.delete
  dead.delete
  connection.close
  check("close", connection.closed?)
end
