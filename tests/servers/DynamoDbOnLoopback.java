import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * DynamoDB Local, which by itself listens on every interface: here on 127.0.0.1 alone, with the control that its makers test
 * it by (an item put to the table "[TEST_CONTROL]" rolls shards over, or lets hours pass for their records).
 */
public final class DynamoDbOnLoopback {
    private DynamoDbOnLoopback() {}

    public static void main(String[] args) throws Exception {
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(args);
        for (Connector connector : ((Server) field(local, "server").get(local)).getConnectors()) {
            if (connector instanceof ServerConnector) {
                ((ServerConnector) connector).setHost("127.0.0.1");
            }
        }
        Object handler = field(local, "serverHandler").get(local);
        Object requests = field(handler, "primaryHandler").get(handler);
        field(requests, "isTestControlEnabled").setBoolean(requests, true);
        local.start();
        local.join();
    }

    private static Field field(Object of, String name) throws NoSuchFieldException {
        for (Class<?> type = of.getClass(); type != null; type = type.getSuperclass()) {
            for (Field field : type.getDeclaredFields()) {
                if (field.getName().equals(name)) {
                    field.setAccessible(true);
                    return field;
                }
            }
        }
        throw new NoSuchFieldException(name + " of " + of.getClass());
    }
}
