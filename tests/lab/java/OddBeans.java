import java.io.NotSerializableException;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.lang.management.ManagementFactory;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import javax.management.Attribute;
import javax.management.AttributeList;
import javax.management.DynamicMBean;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * MBeans such as no broker has: what a reader must pass on, leave out, or survive.
 *
 * <p>Prints "ready" when all are there. Some attributes act when they are read, so that a reader's
 * test needs no other channel: Switch.Guest registers and unregisters an MBean, Switch.Crowd many,
 * Switch.Grow gives odd:type=Grown one more attribute, Switch.Halt ends the process.
 */
public class OddBeans {
    static final MBeanServer SERVER = ManagementFactory.getPlatformMBeanServer();
    static final CountDownLatch NEVER = new CountDownLatch(1);

    // ---- values -------------------------------------------------------------------------------

    public interface ValuesMBean {
        double getNan();
        double getInfinity();
        double getMinusInfinity();
        double getMinusZero();
        long getLongest();
        long getShortest();
        int getInt();
        float getFloat();
        short getShort();
        byte getByte();
        boolean isTrue();
        char getChar();
        Long getNothing();
        String getText();
        AtomicLong getAtomicLong();
        AtomicInteger getAtomicInteger();
        AtomicBoolean getAtomicBoolean();
        Number getLongAdder();
        Number getDoubleAdder();
        BigInteger getBigInteger();
        BigDecimal getBigDecimal();
        Date getDate();
        TimeUnit getUnit();
        int[] getInts();
        Object getObject();
        long getThrowing();
        void setWriteOnly(long value);
    }

    public static class Values implements ValuesMBean {
        public double getNan() { return Double.NaN; }
        public double getInfinity() { return Double.POSITIVE_INFINITY; }
        public double getMinusInfinity() { return Double.NEGATIVE_INFINITY; }
        public double getMinusZero() { return -0.0; }
        public long getLongest() { return Long.MAX_VALUE; }
        public long getShortest() { return Long.MIN_VALUE; }
        public int getInt() { return -7; }
        public float getFloat() { return 0.5f; }
        public short getShort() { return -300; }
        public byte getByte() { return -3; }
        public boolean isTrue() { return true; }
        public char getChar() { return 'x'; }
        public Long getNothing() { return null; }
        public String getText() { return "NUL \0 and \uD83D\uDE00"; }
        public AtomicLong getAtomicLong() { return new AtomicLong(1L << 40); }
        public AtomicInteger getAtomicInteger() { return new AtomicInteger(41); }
        public AtomicBoolean getAtomicBoolean() { return new AtomicBoolean(true); }
        public Number getLongAdder() { LongAdder sum = new LongAdder(); sum.add(5); return sum; }
        public Number getDoubleAdder() { DoubleAdder sum = new DoubleAdder(); sum.add(2.5); return sum; }
        public BigInteger getBigInteger() { return BigInteger.ONE.shiftLeft(70).negate(); }
        public BigDecimal getBigDecimal() { return new BigDecimal("12.5"); }
        public Date getDate() { return new Date(1_700_000_000_123L); }
        public TimeUnit getUnit() { return TimeUnit.SECONDS; }
        public int[] getInts() { return new int[] {1, 2}; }
        public Object getObject() { return "text in an Object"; }
        public long getThrowing() { throw new IllegalStateException("on purpose"); }
        public void setWriteOnly(long value) { throw new AssertionError("a reader wrote"); }
    }

    /** Values that change between two reads: the same box or two, a number or nothing, other text. */
    public interface ChangingMBean {
        Long getFirst();
        Long getSecond();
        Long getSometimes();
        String getState();
        Object getKind();
    }

    public static class Changing implements ChangingMBean {
        // One count for each attribute: in which order they are read is the server's affair.
        private int first;
        private int second;
        private int sometimes;
        private int state;
        private int kind;

        /** Small numbers are one shared object in the JVM, large ones two. */
        private static Long box(int read) { return read % 2 == 0 ? 100L : 100_000L + read; }
        public Long getFirst() { return box(++first); }
        public Long getSecond() { return box(++second); }
        public Long getSometimes() { return ++sometimes % 3 == 0 ? null : Long.valueOf(sometimes); }
        public String getState() { return ++state % 2 == 0 ? "leader" : "follower"; }
        public Object getKind() { return ++kind % 2 == 0 ? (Object) 1L : (Object) 1.0; }
    }

    // ---- composite and tabular values ----------------------------------------------------------

    public static class Point {
        public int getX() { return 1; }
        public long getY() { return -2; }
        public String getLabel() { return "p"; }
        public boolean isOrigin() { return false; }
    }

    public static class Shape {
        public Point getCorner() { return new Point(); }
        public double getArea() { return 2.5; }
    }

    public interface OpenMXBean {
        Point getPoint();
        Shape getShape();
        Map<String, Point> getNamed();
        Map<Integer, Long> getNumbered();
        Map<String, String> getTexts();
        Map<String, Map<String, Integer>> getNested();
        List<Point> getList();
        Point getMissing();
        Thread.State getState();
    }

    public static class Open implements OpenMXBean {
        public Point getPoint() { return new Point(); }
        public Shape getShape() { return new Shape(); }
        public Map<String, Point> getNamed() { return Map.of("a=\"b\"", new Point()); }
        public Map<Integer, Long> getNumbered() { return new TreeMap<>(Map.of(7, 70L, 8, 80L)); }
        public Map<String, String> getTexts() { return Map.of("key", "text"); }
        public Map<String, Map<String, Integer>> getNested() { return Map.of("o", Map.of("i", 3)); }
        public List<Point> getList() { return List.of(new Point()); }
        public Point getMissing() { return null; }
        public Thread.State getState() { return Thread.State.RUNNABLE; }
    }

    // ---- what breaks an answer -----------------------------------------------------------------

    /** Not serializable: the server breaks its answer off and closes the socket. */
    static class Unsent { }

    /** Writes its fields without saying so: the answer breaks the grammar. */
    static class Liar implements Serializable {
        private static final long serialVersionUID = 1;
        private long value = 5;

        private void writeObject(ObjectOutputStream out) throws java.io.IOException {
            out.writeLong(value);
        }
    }

    /** Throws in the middle of being written. */
    static class Failing implements Serializable {
        private static final long serialVersionUID = 1;

        private void writeObject(ObjectOutputStream out) throws java.io.IOException {
            throw new NotSerializableException("halfway");
        }
    }

    public interface BreakingMBean {
        long getBefore();
        Object getUnsent();
        Object getInstant();
        Object getFailing();
        long getAfter();
    }

    public static class Breaking implements BreakingMBean {
        public long getBefore() { return 1; }
        public Object getUnsent() { return new Unsent(); }
        public Object getInstant() { return Instant.EPOCH; }
        public Object getFailing() { return new Failing(); }
        public long getAfter() { return 2; }
    }

    public interface LyingMBean {
        long getBefore();
        Object getLiar();
        long getAfter();
    }

    public static class Lying implements LyingMBean {
        public long getBefore() { return 3; }
        public Object getLiar() { return new Liar(); }
        public long getAfter() { return 4; }
    }

    public interface HangingMBean {
        long getForever();
    }

    public static class Hanging implements HangingMBean {
        public long getForever() {
            try {
                NEVER.await();
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
            return 0;
        }
    }

    /** Breaks the answer off, and hangs when one asks which attribute it was. */
    public static class Sly implements DynamicMBean {
        public Object getAttribute(String name) { return 1L; }

        public AttributeList getAttributes(String[] names) {
            if (names.length == 1) {
                new Hanging().getForever();
            }
            AttributeList found = new AttributeList();
            found.add(new Attribute("Bad", new Unsent()));
            return found;
        }

        public MBeanInfo getMBeanInfo() {
            MBeanAttributeInfo[] infos = {
                new MBeanAttributeInfo("Bad", "long", "", true, false, false),
                new MBeanAttributeInfo("Good", "long", "", true, false, false),
            };
            return new MBeanInfo(getClass().getName(), "", infos, null, null, null);
        }

        public void setAttribute(Attribute attribute) { throw new AssertionError("a reader wrote"); }

        public AttributeList setAttributes(AttributeList list) { throw new AssertionError("a reader wrote"); }

        public Object invoke(String action, Object[] parameters, String[] signature) {
            throw new AssertionError("a reader called a method");
        }
    }

    // ---- what comes and goes -------------------------------------------------------------------

    public interface SwitchMBean {
        boolean isGuest();
        boolean isCrowd();
        int getGrow();
        boolean isHalt();
    }

    public static class Switch implements SwitchMBean {
        private final Dynamic grown;

        Switch(Dynamic grown) { this.grown = grown; }

        public boolean isGuest() { return turn("guests:type=Guest"); }

        public boolean isCrowd() {
            boolean isThere = false;
            for (int number = 0; number < 250; number++) {
                isThere = turn("guests:type=Crowd,number=" + number);
            }
            return isThere;
        }

        private static boolean turn(String text) {
            try {
                ObjectName name = new ObjectName(text);
                if (SERVER.isRegistered(name)) {
                    SERVER.unregisterMBean(name);
                    return false;
                }
                SERVER.registerMBean(new Changing(), name);
                return true;
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        }

        public int getGrow() { return grown.grow(); }

        public boolean isHalt() {
            Runtime.getRuntime().halt(3);
            return true;
        }
    }

    /** As Kafka's own metrics: attributes all say "double", and more of them may come. */
    public static class Dynamic implements DynamicMBean {
        private final Map<String, Object> values = new TreeMap<>(Map.of("state", "running", "rate", 0.5));

        synchronized int grow() {
            values.put("more-" + values.size(), (double) values.size());
            return values.size();
        }

        public synchronized Object getAttribute(String name) { return values.get(name); }

        public synchronized AttributeList getAttributes(String[] names) {
            AttributeList found = new AttributeList();
            for (String name : names) {
                if (values.containsKey(name)) {
                    found.add(new Attribute(name, values.get(name)));
                }
            }
            return found;
        }

        public synchronized MBeanInfo getMBeanInfo() {
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

    static void register(String name, Object bean) throws Exception {
        SERVER.registerMBean(bean, new ObjectName(name));
    }

    public static void main(String[] arguments) throws Exception {
        Dynamic grown = new Dynamic();
        register("odd:type=Values", new Values());
        register("odd:type=Changing", new Changing());
        register("odd:type=Open", new Open());
        register("odd:type=Grown", grown);
        register("odd:type=\"q,=:\\*\\\"\\n\",name=h\u00e9 \u20ac \uD83D\uDE00", new Changing());
        register("breaking:type=Breaking", new Breaking());
        register("breaking:type=Lying", new Lying());
        register("breaking:type=Whole", new Changing());
        register("hanging:type=Hanging", new Hanging());
        register("hanging:type=Whole", new Changing());
        register("sly:type=Sly", new Sly());
        register("sly:type=Whole", new Changing());
        register("switch:type=Switch", new Switch(grown));
        for (int number = 0; number < 300; number++) {
            register("many:type=One,number=" + number, new Changing());
        }
        System.out.println("ready");
        NEVER.await();
    }
}
