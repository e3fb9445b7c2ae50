import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * DynamoDB's own local server, in memory, without telemetry. Its own main listens on every interface; this one
 * on loopback only, on a free port that it prints, and ends when its standard input does.
 */
class LoopbackTable {
  public static void main(String[] args) throws Exception {
    var table = ServerRunner.createServerFromCommandLineArgs(
        new String[] {"-inMemory", "-sharedDb", "-disableTelemetry", "-port", "8000"});
    var field = DynamoDBProxyServer.class.getDeclaredField("server");
    field.setAccessible(true);
    var connector = (ServerConnector) ((Server) field.get(table)).getConnectors()[0];
    connector.setHost("127.0.0.1");
    connector.setPort(0);
    table.start();
    System.out.println("port=" + connector.getLocalPort());
    System.in.transferTo(java.io.OutputStream.nullOutputStream());
    System.exit(0);
  }
}
