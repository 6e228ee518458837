// One record through a grant, with the JDK alone (11 or later): java Query.java. Environment as for query.sh.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Query {
    public static void main(String[] arguments) throws Exception {
        String body = "{\"key\": [\"" + read("KEY") + "\"], \"case\": \"" + read("CASE") + "\"}";
        HttpRequest request = HttpRequest.newBuilder()
            .uri(URI.create(read("CITYLOOM_URL") + "/api/sharing/grants/" + read("GRANT") + "/query"))
            .header("Authorization", "Bearer " + read("CITYLOOM_TOKEN"))
            .header("X-Purpose", read("PURPOSE"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        (answer.statusCode() == 200 ? System.out : System.err).print(answer.body());
        System.exit(answer.statusCode() == 200 ? 0 : 1);
    }

    private static String read(String name) {
        return System.getenv(name);
    }
}
