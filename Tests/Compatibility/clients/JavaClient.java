import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcServer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** RabbitMQ's Java client. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it. */
public class JavaClient {
    static void check(String name, boolean good, Object why) {
        System.out.println(good ? "ok " + name : "not ok " + name + "\n# " + why);
    }

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(arguments[0]);
        factory.setPort(Integer.parseInt(arguments[1]));
        factory.setRequestedHeartbeat(10);
        factory.setAutomaticRecoveryEnabled(true);
        Connection connection = factory.newConnection("compatibility");
        check("connect", connection.isOpen(), "");
        Channel channel = connection.createChannel();
        channel.basicQos(2, false);
        channel.basicQos(50, true);
        check("qos", true, "");
        channel.exchangeDeclare("java-alternate", "fanout", false, true, null);
        channel.exchangeDeclare("java", "direct", false, true, Map.of("alternate-exchange", "java-alternate"));
        channel.queueDeclare("java", true, false, false, Map.of("x-message-ttl", 600000, "x-expires", 600000L));
        channel.queuePurge("java");
        channel.queueBind("java", "java", "key");
        channel.queueBind("java", "java-alternate", "");
        check("declare", channel.messageCount("java") == 0, "");

        channel.confirmSelect();
        AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder().deliveryMode(2).messageId("m1")
                .headers(Map.of("n", 1, "long", 1L << 40, "t", Map.of("deep", List.of(1, true)))).build();
        channel.basicPublish("java", "key", properties, "one".getBytes());
        check("confirm", channel.waitForConfirms(10000), "");
        channel.basicPublish("java", "another key", null, "two".getBytes());
        channel.waitForConfirmsOrDie(10000);
        BlockingQueue<Integer> returned = new LinkedBlockingQueue<>();
        channel.addReturnListener((code, text, exchange, key, header, body) -> returned.add(code));
        channel.basicPublish("", "nobody-has-this", true, null, "lost".getBytes());
        channel.waitForConfirms(10000);
        check("return", Integer.valueOf(312).equals(returned.poll(5, TimeUnit.SECONDS)), "");

        GetResponse got = channel.basicGet("java", false);
        Map<String, Object> headers = got.getProps().getHeaders();
        check("properties", "m1".equals(got.getProps().getMessageId()) && headers.get("n").equals(1)
                && headers.get("long").equals(1L << 40)
                && headers.get("t").toString().equals("{deep=[1, true]}"), headers);
        channel.basicNack(got.getEnvelope().getDeliveryTag(), false, true);
        got = channel.basicGet("java", false);
        check("requeue", got.getEnvelope().isRedeliver() && new String(got.getBody()).equals("one"), got);
        channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
        got = channel.basicGet("java", true);
        check("alternate-exchange", got != null && new String(got.getBody()).equals("two"), got);
        check("get-empty", channel.basicGet("java", true) == null, "");

        BlockingQueue<String> bodies = new LinkedBlockingQueue<>();
        BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
        channel.basicConsume("java", false, Map.of("x-priority", 5), new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties header, byte[] body)
                    throws IOException {
                bodies.add(new String(body));
                getChannel().basicAck(envelope.getDeliveryTag(), false);
            }

            @Override
            public void handleCancel(String tag) {
                cancelled.add(tag);
            }
        });
        List<String> expected = new ArrayList<>();
        for (int n = 0; n < 100; n++) {
            expected.add("" + n);
            channel.basicPublish("", "java", null, expected.get(n).getBytes());
        }
        List<String> received = new ArrayList<>();
        for (String body; received.size() < 100 && (body = bodies.poll(10, TimeUnit.SECONDS)) != null;) {
            received.add(body);
        }
        check("consume", received.equals(expected), received);

        Channel serving = connection.createChannel();
        String requests = serving.queueDeclare().getQueue();
        check("server-named", requests.startsWith("amq.gen-"), requests);
        RpcServer server = new RpcServer(serving, requests) {
            @Override
            public byte[] handleCall(byte[] body, AMQP.BasicProperties reply) {
                return ("answer to " + new String(body)).getBytes();
            }
        };
        Thread thread = new Thread(() -> {
            try {
                server.mainloop();
            } catch (IOException ended) {
                check("rpc-server", false, ended);
            }
        });
        thread.setDaemon(true);
        thread.start();
        // The client takes its answers over direct reply-to.
        String answer = new RpcClient(connection.createChannel(), "", requests, 10000).stringCall("this");
        check("direct-reply-to", answer.equals("answer to this"), answer);

        Channel other = connection.createChannel();
        String plain = other.queueDeclare().getQueue();
        other.txSelect();
        other.basicPublish("", plain, null, "in".getBytes());
        other.txCommit();
        other.basicPublish("", plain, null, "out".getBytes());
        other.txRollback();
        check("transaction", other.messageCount(plain) == 1, other.messageCount(plain));

        try {
            connection.createChannel().queueDeclarePassive("java-none");
            check("error", false, "no error");
        } catch (IOException error) {
            check("error", error.getCause().getMessage().contains("404"), error.getCause());
        }
        channel.queueDelete("java");
        check("cancelled", cancelled.poll(5, TimeUnit.SECONDS) != null, "");
        connection.close();
        check("close", !connection.isOpen(), "");
        System.exit(0);
    }
}
