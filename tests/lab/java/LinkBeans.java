import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import javax.management.Attribute;
import javax.management.AttributeList;
import javax.management.DynamicMBean;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * The MBeans that a broker of Confluent Server has for its Cluster Links.
 *
 * <p>Made after Confluent's documentation, not after a running one. Arguments: a file of properties, the
 * links' names with commas between them, and topic:partition of each mirror partition that this broker
 * leads; or "-source" for the source of a link that was made at the destination, "-made-here" for that
 * of one that was made there. The file is read again at each reading of an MBean: state, coordinator,
 * in-error, failed-mirrors, failed-partitions, dead-threads, lag, connections, bytes. Of any link but the
 * first the keys begin with its name and a dot.
 */
public class LinkBeans {
    static final MBeanServer SERVER = ManagementFactory.getPlatformMBeanServer();
    static Path settings;

    static Properties now() {
        Properties found = new Properties();
        try (var in = Files.newInputStream(settings)) {
            found.load(in);
        } catch (java.io.IOException error) {
            throw new IllegalStateException(error);
        }
        return found;
    }

    static double number(Properties now, String key, double otherwise) {
        String text = now.getProperty(key);
        return text == null ? otherwise : Double.parseDouble(text);
    }

    /** As Kafka's: what is asked for is computed when it is read. */
    static class Bean implements DynamicMBean {
        private final Map<String, Function<Properties, Object>> values = new TreeMap<>();

        Bean with(String attribute, Function<Properties, Object> value) {
            values.put(attribute, value);
            return this;
        }

        public Object getAttribute(String name) { return values.get(name).apply(now()); }

        public AttributeList getAttributes(String[] names) {
            Properties now = now();
            AttributeList found = new AttributeList();
            for (String name : names) {
                found.add(new Attribute(name, values.get(name).apply(now)));
            }
            return found;
        }

        public MBeanInfo getMBeanInfo() {
            List<MBeanAttributeInfo> infos = new ArrayList<>();
            for (String name : values.keySet()) {
                infos.add(new MBeanAttributeInfo(name, "double", "", true, false, false));
            }
            return new MBeanInfo(getClass().getName(), "", infos.toArray(new MBeanAttributeInfo[0]),
                    null, null, null);
        }

        public void setAttribute(Attribute attribute) { throw new AssertionError("a reader wrote"); }

        public AttributeList setAttributes(AttributeList list) { throw new AssertionError("a reader wrote"); }

        public Object invoke(String action, Object[] parameters, String[] signature) {
            throw new AssertionError("a reader called a method");
        }
    }

    static void register(String name, Bean bean) throws Exception {
        SERVER.registerMBean(bean, new ObjectName(name));
    }

    /** What the coordinator of a link counts, and all others say 0 of. */
    static void count(String link, String mode, String key) throws Exception {
        for (String state : List.of("active", "paused", "unavailable")) {
            register("kafka.server:type=cluster-link-metrics,mode=" + mode + ",state=" + state + ",link-name=" + link,
                    new Bean().with("link-count", now -> {
                        boolean is = "true".equals(now.getProperty(key + "coordinator"))
                                && state.equals(now.getProperty(key + "state", "active"));
                        return is ? 1.0 : 0.0;
                    }));
        }
    }

    /** What a broker has once, whatever links there are. */
    static void broker() throws Exception {
        for (String name : List.of("BlockedOnMirrorSourcePartitionCount", "UnderMinIsrMirrorPartitionCount",
                "UnderReplicatedMirrorPartitions")) {
            register("kafka.server:type=ReplicaManager,name=" + name, new Bean().with("Value", now -> 0));
        }
        register("kafka.server:type=ReplicaManager,name=ThrottledClusterLinkReplicasPerSec",
                new Bean().with("Count", now -> 3L).with("OneMinuteRate", now -> 0.1));
        // Followers have the same types, without a link: no link's lag, no link's bytes.
        String client = ",clientId=ReplicaFetcherThread-0-1,";
        register("kafka.server:type=FetcherLagMetrics,name=ConsumerLag" + client + "topic=orders,partition=0",
                new Bean().with("Value", now -> 999_999L));
        register("kafka.server:type=FetcherStats,name=BytesPerSec" + client + "brokerHost=broker-2,brokerPort=9092",
                new Bean().with("Count", now -> 999_999L).with("OneMinuteRate", now -> 9_999.0));
    }

    static void link(String link, String key, String[] partitions) throws Exception {
        String ours = ",link-name=" + link;
        count(link, "destination", key);
        String metrics = "kafka.server:type=cluster-link-metrics";
        for (String state : List.of("Mirror", "PausedMirror", "FailedMirror")) {
            register(metrics + ",state=" + state + ours, new Bean().with("mirror-topic-count", now -> {
                double failed = number(now, key + "failed-mirrors", 0);
                return state.equals("Mirror") ? 4.0 - failed : state.equals("FailedMirror") ? failed : 0.0;
            }));
        }
        register(metrics + ours, new Bean()
                .with("mirror-partition-count", now -> (double) partitions.length)
                .with("link-fetcher-count", now -> 1.0)
                .with("link-source-unavailable-rate", now -> 0.0)
                .with("link-source-unavailable-total", now -> 0.0));
        for (String name : List.of("BytesPerSec", "RequestsPerSec")) {
            double rate = name.equals("BytesPerSec") ? 1500 : 2;
            register("kafka.server:type=FetcherStats,name=" + name + ",clientId=ClusterLinkFetcherThread-0-" + link
                            + "-1,brokerHost=plant-1,brokerPort=9092" + ours,
                    new Bean().with("Count", now -> 7_000L).with("OneMinuteRate", now -> rate));
        }
        register(metrics + ",state=active" + ours,
                new Bean().with("link-task-count", now -> 4.0 - number(now, key + "in-error", 0)));
        register(metrics + ",state=in-error,reason=authorization" + ours,
                new Bean().with("link-task-count", now -> number(now, key + "in-error", 0)));
        register("kafka.server:type=cluster-link-fetcher-metrics,broker-id=1,fetcher-id=0" + ours,
                new Bean()
                        .with("incoming-byte-rate", now -> number(now, key + "bytes", 1500))
                        .with("request-rate", now -> 2.0)
                        .with("connection-count", now -> number(now, key + "connections", 1)));
        String manager = "kafka.server.link:type=ClusterLinkFetcherManager,name=";
        String client = ",clientId=ClusterLink" + ours;
        register(manager + "MaxLag" + client, new Bean().with("Value", now -> (long) number(now, key + "lag", 0)));
        register(manager + "DeadThreadCount" + client,
                new Bean().with("Value", now -> (int) number(now, key + "dead-threads", 0)));
        register(manager + "FailedPartitionsCount" + client,
                new Bean().with("Value", now -> (int) number(now, key + "failed-partitions", 0)));
        for (String one : partitions) {
            int colon = one.lastIndexOf(':');
            register("kafka.server:type=FetcherLagMetrics,name=ConsumerLag,clientId=ClusterLinkFetcherThread-0-"
                            + link + "-1,topic=" + one.substring(0, colon) + ",partition="
                            + one.substring(colon + 1) + ours,
                    new Bean().with("Value", now -> (long) number(now, key + "lag", 0)));
        }
    }

    public static void main(String[] arguments) throws Exception {
        settings = Path.of(arguments[0]);
        String[] links = arguments[1].split(",");
        String kind = arguments.length > 2 ? arguments[2] : "";
        broker();
        if (kind.startsWith("-")) {
            register("kafka.server:type=cluster-link-source-metrics,request=Fetch,link-id=mCeM9mNDTIKh",
                    new Bean().with("request-total", now -> 7.0));
        }
        for (String link : links) {
            String key = link.equals(links[0]) ? "" : link + ".";
            if (kind.equals("-made-here")) {
                count(link, "source", key);
            } else if (!kind.equals("-source")) {
                link(link, key, java.util.Arrays.copyOfRange(arguments, 2, arguments.length));
            }
        }
        System.out.println("ready");
        new CountDownLatch(1).await();
    }
}
