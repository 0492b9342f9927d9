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
 * The MBeans that a broker of Confluent Server has for one Cluster Link.
 *
 * <p>Made after Confluent's documentation, not after a running one. Arguments: a file of properties, the
 * link's name, and topic:partition of each mirror partition that this broker leads, or "-source" for
 * the source of a link that was made at the destination. The file is read again at each reading of an
 * MBean: state, coordinator, in-error, failed-partitions, dead-threads, lag, connections, bytes.
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

    static void link(String link, String[] partitions) throws Exception {
        String ours = ",link-name=" + link;
        for (String state : List.of("active", "paused", "unavailable")) {
            register("kafka.server:type=cluster-link-metrics,mode=destination,state=" + state + ours,
                    new Bean().with("link-count", now -> {
                        boolean is = "true".equals(now.getProperty("coordinator"))
                                && state.equals(now.getProperty("state", "active"));
                        return is ? 1.0 : 0.0;
                    }));
        }
        register("kafka.server:type=cluster-link-metrics,state=active" + ours,
                new Bean().with("link-task-count", now -> 4.0 - number(now, "in-error", 0)));
        register("kafka.server:type=cluster-link-metrics,state=in-error,reason=authorization" + ours,
                new Bean().with("link-task-count", now -> number(now, "in-error", 0)));
        register("kafka.server:type=cluster-link-fetcher-metrics,broker-id=1,fetcher-id=0" + ours,
                new Bean()
                        .with("incoming-byte-rate", now -> number(now, "bytes", 1500))
                        .with("request-rate", now -> 2.0)
                        .with("connection-count", now -> number(now, "connections", 1)));
        String manager = "kafka.server.link:type=ClusterLinkFetcherManager,name=";
        String client = ",clientId=ClusterLink" + ours;
        register(manager + "MaxLag" + client, new Bean().with("Value", now -> (long) number(now, "lag", 0)));
        register(manager + "DeadThreadCount" + client,
                new Bean().with("Value", now -> (int) number(now, "dead-threads", 0)));
        register(manager + "FailedPartitionsCount" + client,
                new Bean().with("Value", now -> (int) number(now, "failed-partitions", 0)));
        for (String one : partitions) {
            int colon = one.lastIndexOf(':');
            register("kafka.server:type=FetcherLagMetrics,name=ConsumerLag,clientId=ClusterLinkFetcherThread-0-"
                            + link + "-1,topic=" + one.substring(0, colon) + ",partition="
                            + one.substring(colon + 1) + ours,
                    new Bean().with("Value", now -> (long) number(now, "lag", 0)));
        }
        // Followers have the same type, without a link: no link's lag.
        register("kafka.server:type=FetcherLagMetrics,name=ConsumerLag,clientId=ReplicaFetcherThread-0-1,"
                + "topic=orders,partition=0", new Bean().with("Value", now -> 999_999L));
    }

    public static void main(String[] arguments) throws Exception {
        settings = Path.of(arguments[0]);
        if (arguments.length > 2 && arguments[2].equals("-source")) {
            register("kafka.server:type=cluster-link-source-metrics,request=Fetch,link-id=mCeM9mNDTIKh",
                    new Bean().with("request-total", now -> 7.0));
        } else {
            link(arguments[1], java.util.Arrays.copyOfRange(arguments, 2, arguments.length));
        }
        System.out.println("ready");
        new CountDownLatch(1).await();
    }
}
