import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Routes raw messages by the type of each event, on Kafka Streams: parsed and written again by
 * Jackson, and nothing is validated. One thread; acknowledgement from all, as it comes.
 */
public final class RoutedByType {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, String> TOPICS =
        Map.of("user_attribute_change", "user-update", "user_identity_change", "user-update");
    private static final String OTHERS = "events";
    private static final int WARM =
        Integer.parseInt(System.getenv().getOrDefault("BENCHMARK_WARM", "0"));
    private static final int EVERY_MS = 50;

    private record Out(String topic, byte[] value) {}

    public static void main(String[] arguments) throws IOException {
        Meter meter = new Meter(Path.of(System.getenv("BENCHMARK_METER")));
        String prefix = System.getenv("KAFKA_PREFIX");
        Properties settings = new Properties();
        settings.put("application.id", arguments[0]);
        settings.put("bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP_SERVERS"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("state.dir", Files.createTempDirectory(Path.of(""), "state").toString());
        settings.put("commit.interval.ms", 1_000);
        StreamsBuilder builder = new StreamsBuilder();
        Serde<Out> written = Serdes.serdeFrom((topic, out) -> out.value(), (topic, bytes) -> null);
        int[] read = {0};
        builder.stream(
                prefix + "mparticle-raw", Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .flatMap((key, value) -> {
                if (read[0] == 0) {
                    meter.mark("work");
                }
                if (read[0]++ == WARM) {
                    meter.mark("warm");
                }
                return routed(value);
            })
            .to((key, out, context) -> prefix + out.topic(),
                Produced.with(Serdes.ByteArray(), written));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static List<KeyValue<byte[], Out>> routed(byte[] value) {
        try {
            JsonNode message = JSON.readTree(value);
            String mpid = message.path("mpid").asText();
            List<KeyValue<byte[], Out>> outs = new ArrayList<>();
            for (JsonNode event : message.path("events")) {
                String type = event.path("event_type").asText();
                ObjectNode record = JSON.createObjectNode();
                record.put("kind", type);
                record.put("mpid", mpid);
                record.set("identities", message.path("user_identities"));
                record.set("device", message.path("device_info"));
                record.set("data", event.path("data"));
                record.set("user_attributes", message.path("user_attributes"));
                outs.add(KeyValue.pair(mpid.getBytes(), new Out(
                    TOPICS.getOrDefault(type, OTHERS), JSON.writeValueAsBytes(record))));
            }
            return outs;
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Writes what tests/benchmarks/meter.py reads: unix seconds, CPU seconds, no peak, a name. */
    private static final class Meter {
        private final PrintWriter lines;

        Meter(Path path) throws IOException {
            lines = new PrintWriter(Files.newBufferedWriter(path), true);
            Thread samples = new Thread(() -> {
                while (true) {
                    mark("-");
                    try {
                        Thread.sleep(EVERY_MS);
                    } catch (InterruptedException interrupted) {
                        return;
                    }
                }
            });
            samples.setDaemon(true);
            samples.start();
        }

        synchronized void mark(String name) {
            double cpu = ProcessHandle.current().info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
            lines.printf("%.4f %.6f 0 %s%n", System.currentTimeMillis() / 1e3, cpu, name);
        }
    }
}
